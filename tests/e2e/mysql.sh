# A MySQL for the NocoBase of this folder, beside its PostgreSQL: the programs that .ci/mysql has put below a folder.

MYSQL_ROOT=${SIDEHOOK_TEST_MYSQL_ROOT:-/var/lib/sidehook-mysql}
MYSQL_DIR=${SIDEHOOK_E2E_MYSQL:-/var/tmp/sidehook-e2e-mysql-$HOME_ID}
MYSQL_USER=$(id -un mysql 2>/dev/null || echo nobody)

# The server with the C library that lies beside it, as a user who is not root.
mysqld() {
  local loader run=()
  loader=$(compgen -G "$MYSQL_ROOT/lib*/ld-linux-*" | head -1 || true)
  [ -n "$loader" ] || fail "MySQL is needed below $MYSQL_ROOT: .ci/mysql puts it there"
  if [ "$(id -u)" = 0 ]; then
    run=(setpriv --reuid="$MYSQL_USER" --regid="$(id -g "$MYSQL_USER")" --clear-groups)
  fi
  cd /
  exec "${run[@]}" "$loader" --library-path \
    "$MYSQL_ROOT/usr/lib/x86_64-linux-gnu:$MYSQL_ROOT/usr/lib/aarch64-linux-gnu:$MYSQL_ROOT/usr/lib/mysql/private" \
    "$MYSQL_ROOT/usr/sbin/mysqld" --no-defaults --datadir="$MYSQL_DIR/data" --basedir="$MYSQL_ROOT/usr" \
    --lc-messages-dir="$MYSQL_ROOT/usr/share/mysql" --plugin-dir="$MYSQL_ROOT/usr/lib/mysql/plugin" \
    --character-sets-dir="$MYSQL_ROOT/usr/share/mysql/charsets" --secure-file-priv= --skip-log-bin \
    --innodb-use-native-aio=OFF "$@"
}

start_mysql() {
  if ! [ -s "$HOME_DIR/mysql.port" ]; then
    node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })' \
      >"$HOME_DIR/mysql.port"
  fi
  MYSQL_PORT=$(cat "$HOME_DIR/mysql.port")
  MYSQL_SETTINGS=(DB_DIALECT=mysql DB_HOST=127.0.0.1 "DB_PORT=$MYSQL_PORT" DB_DATABASE=nocobase DB_USER=nocobase
    DB_PASSWORD=nocobase DB_TIMEZONE=+00:00)
  if ! [ -d "$MYSQL_DIR/data/mysql" ]; then
    mkdir -p "$MYSQL_DIR"
    cat >"$MYSQL_DIR/start.sql" <<'SQL'
CREATE USER IF NOT EXISTS 'nocobase'@'127.0.0.1' IDENTIFIED BY 'nocobase';
GRANT ALL PRIVILEGES ON *.* TO 'nocobase'@'127.0.0.1';
CREATE DATABASE IF NOT EXISTS nocobase CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
SQL
    if [ "$(id -u)" = 0 ]; then chown -R "$MYSQL_USER" "$MYSQL_DIR"; fi
    (mysqld --initialize-insecure) >"$LOGS/mysql-init.log" 2>&1 || { tail -5 "$LOGS/mysql-init.log" >&2; fail 'MySQL cannot be set up'; }
  fi
  is_alive "$HOME_DIR/mysql.pid" && return 0
  (mysqld --port="$MYSQL_PORT" --bind-address=127.0.0.1 --skip-name-resolve --mysqlx=OFF --socket=server.sock \
    --pid-file=server.pid --init-file="$MYSQL_DIR/start.sql" --character-set-server=utf8mb4 \
    --collation-server=utf8mb4_unicode_ci --innodb-flush-log-at-trx-commit=0) >"$LOGS/mysql.log" 2>&1 </dev/null &
  echo $! >"$HOME_DIR/mysql.pid"
  local i
  for ((i = 0; i < 120; i++)); do
    (exec 3<>"/dev/tcp/127.0.0.1/$MYSQL_PORT") 2>/dev/null && return 0
    sleep 0.5
  done
  tail -5 "$LOGS/mysql.log" >&2
  fail "MySQL does not start, see $LOGS/mysql.log"
}

stop_mysql() {
  local pid i
  is_alive "$HOME_DIR/mysql.pid" || return 0
  pid=$(cat "$HOME_DIR/mysql.pid")
  kill -TERM "$pid"
  for ((i = 0; i < 60; i++)); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.5
  done
  rm -f "$HOME_DIR/mysql.pid"
}

# NocoBase's tables and the plugin that `up` has built.
install_on_mysql() {
  [ -e "$MYSQL_DIR/.installed" ] && return 0
  say "creating NocoBase's tables on MySQL"
  stop_nocobase
  local command
  for command in 'install --lang=en-US' "pm add $TARBALL" "pm enable $PACKAGE"; do
    # shellcheck disable=SC2086
    (cd "$APP" && env "${MYSQL_SETTINGS[@]}" node node_modules/.bin/nocobase-v1 $command) >>"$LOGS/install-mysql.log" 2>&1 \
      || { tail -20 "$LOGS/install-mysql.log" >&2; fail "nocobase $command failed"; }
  done
  touch "$MYSQL_DIR/.installed"
}
