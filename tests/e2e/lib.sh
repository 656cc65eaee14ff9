# What the scripts of this folder share: places, ports, and starting and stopping of servers. Everything that
# is not in the checkout lives under $HOME_DIR; PostgreSQL's files under $PG_DIR, because a root's home is
# closed to the user it has to run as.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
E2E=$ROOT/tests/e2e
HOME_DIR=${SIDEHOOK_E2E_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/sidehook-e2e}
APP=$HOME_DIR/app
LOGS=$HOME_DIR/logs
TARBALL=$ROOT/plugin/build/sidehook-plugin-workflow-webhook.tgz
PACKAGE=@sidehook/plugin-workflow-webhook
NOCOBASE_VERSION=2.2.15
# NocoBase calls yarn by its name.
export PATH=$HOME_DIR/tools/node_modules/.bin:$PATH
mkdir -p "$HOME_DIR" "$LOGS"
HOME_ID=$(printf %s "$HOME_DIR" | cksum | cut -d' ' -f1)
PG_DIR=${SIDEHOOK_E2E_PG:-/var/tmp/sidehook-e2e-pg-$HOME_ID}

say() { printf '%s\n' "$*"; }
fail() { printf 'e2e: %s\n' "$*" >&2; exit 1; }

need() { command -v "$1" >/dev/null || fail "$1 is needed: $2"; }

# The ports are picked once, free ones at that time, and stay with the installation.
load_ports() {
  if ! [ -s "$HOME_DIR/ports" ]; then
    node -e '
      const net = require("net");
      const names = ["PG_PORT", "NB_PORT", "SH_PORT"];
      const servers = names.map(() => net.createServer().listen(0, "127.0.0.1"));
      Promise.all(servers.map((s) => new Promise((done) => s.once("listening", done)))).then(() => {
        servers.forEach((s, i) => console.log(`${names[i]}=${s.address().port}`));
        servers.forEach((s) => s.close());
      });' >"$HOME_DIR/ports"
  fi
  # shellcheck source=/dev/null
  . "$HOME_DIR/ports"
  NB_URL=http://127.0.0.1:$NB_PORT
  SH_URL=http://127.0.0.1:$SH_PORT
  export HOME_DIR APP PG_PORT NB_PORT SH_PORT NB_URL SH_URL ROOT
}

pg_bin() {
  local found
  found=$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort -V | tail -1 || true)
  [ -n "$found" ] || found=$(command -v initdb || true)
  [ -n "$found" ] || fail 'PostgreSQL is needed: apt-get install postgresql'
  dirname "$found"
}

# PostgreSQL refuses to run as root.
as_pg() {
  if [ "$(id -u)" = 0 ]; then
    (cd / && setpriv --reuid="$PG_USER" --regid="$(id -g "$PG_USER")" --clear-groups "$@")
  else
    "$@"
  fi
}
PG_USER=$(id -un postgres 2>/dev/null || echo nobody)

is_alive() { [ -s "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null; }

answers() { curl -sf -m 3 -o /dev/null "$1"; }

# wait_for URL SECONDS PIDFILE LOG
wait_for() {
  local i
  for ((i = 0; i < $2 * 2; i++)); do
    answers "$1" && return 0
    is_alive "$3" || break
    sleep 0.5
  done
  tail -20 "$4" >&2
  fail "$1 does not answer, see $4"
}

# Ends the process group that a pid file names, first gently.
stop_group() {
  local pid i
  [ -s "$1" ] || return 0
  pid=$(cat "$1")
  if kill -0 "$pid" 2>/dev/null; then
    kill -TERM -- "-$pid" 2>/dev/null || true
    for ((i = 0; i < 60; i++)); do
      kill -0 -- "-$pid" 2>/dev/null || break
      sleep 0.5
    done
    kill -KILL -- "-$pid" 2>/dev/null || true
  fi
  rm -f "$1"
}

start_nocobase() {
  if is_alive "$HOME_DIR/nocobase.pid" && answers "$NB_URL/api/__health_check"; then return 0; fi
  stop_group "$HOME_DIR/nocobase.pid"
  (cd "$APP" && exec env APP_LAUNCH_MODE=node "$@" setsid node node_modules/.bin/nocobase-v1 start) \
    >>"$LOGS/nocobase.log" 2>&1 </dev/null &
  echo $! >"$HOME_DIR/nocobase.pid"
  wait_for "$NB_URL/api/__health_check" 180 "$HOME_DIR/nocobase.pid" "$LOGS/nocobase.log"
}

stop_nocobase() { stop_group "$HOME_DIR/nocobase.pid"; }

start_sidehook() {
  if is_alive "$HOME_DIR/sidehook.pid" && answers "$SH_URL/health/ready"; then return 0; fi
  stop_group "$HOME_DIR/sidehook.pid"
  (cd "$APP" && exec env "$@" setsid "$HOME_DIR/sidehook" serve --env-file .env --listen "127.0.0.1:$SH_PORT") \
    >>"$LOGS/sidehook.log" 2>&1 </dev/null &
  echo $! >"$HOME_DIR/sidehook.pid"
  wait_for "$SH_URL/health/ready" 30 "$HOME_DIR/sidehook.pid" "$LOGS/sidehook.log"
}

stop_sidehook() { stop_group "$HOME_DIR/sidehook.pid"; }

start_postgres() {
  local bin
  bin=$(pg_bin)
  if ! [ -s "$PG_DIR/data/PG_VERSION" ]; then
    mkdir -p "$PG_DIR"
    if [ "$(id -u)" = 0 ]; then chown "$PG_USER" "$PG_DIR"; fi
    as_pg "$bin/initdb" -D "$PG_DIR/data" -U nocobase -A trust -E UTF8 --locale=C.UTF-8 >"$LOGS/initdb.log" 2>&1 \
      || { cat "$LOGS/initdb.log" >&2; fail 'initdb failed'; }
    as_pg sh -c "printf \"listen_addresses='127.0.0.1'\nunix_socket_directories='$PG_DIR'\nfsync=off\n\" \
      >>'$PG_DIR/data/postgresql.conf'"
  fi
  if ! "$bin/pg_isready" -q -h 127.0.0.1 -p "$PG_PORT"; then
    as_pg "$bin/pg_ctl" -D "$PG_DIR/data" -l "$PG_DIR/postgres.log" -o "-p $PG_PORT" -w start >/dev/null \
      || fail "PostgreSQL does not start, see $PG_DIR/postgres.log"
  fi
  [ "$(sql postgres "select 1 from pg_database where datname = 'nocobase'")" = 1 ] \
    || sql postgres 'create database nocobase' >/dev/null
}

stop_postgres() {
  [ -s "$PG_DIR/data/postmaster.pid" ] || return 0
  as_pg "$(pg_bin)/pg_ctl" -D "$PG_DIR/data" -m fast -w stop >/dev/null
}

# sql DATABASE STATEMENT
sql() { "$(pg_bin)/psql" -h 127.0.0.1 -p "$PG_PORT" -U nocobase -d "$1" -XAtq -v ON_ERROR_STOP=1 -c "$2"; }
