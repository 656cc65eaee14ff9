//! What has to happen as one in a server of Redis.

/// 0 for an event that was stored, 1 where it had been before, 2 where it does not fit. Where nothing waits the bytes are
/// counted anew: somebody may have removed the stream alone.
pub(super) const STORE: &str = r"
if redis.call('EXISTS', KEYS[3]) == 1 then return 1 end
local bytes = #ARGV[1]
if redis.call('XLEN', KEYS[1]) > 0 then bytes = bytes + tonumber(redis.call('GET', KEYS[2]) or '0') end
if bytes > tonumber(ARGV[2]) then return 2 end
redis.call('XADD', KEYS[1], '*', 'event', ARGV[1])
redis.call('SET', KEYS[2], bytes)
redis.call('SET', KEYS[3], '1', 'PX', ARGV[3])
return 0";

/// Removes events, each an id with its bytes.
pub(super) const SETTLE: &str = r"
for i = 2, #ARGV, 2 do
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
  if redis.call('XDEL', KEYS[1], ARGV[i]) == 1 then redis.call('DECRBY', KEYS[2], ARGV[i + 1]) end
end
return 0";

/// Moves an event to those that were put aside.
pub(super) const BURY: &str = r"
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
if redis.call('XDEL', KEYS[1], ARGV[2]) == 1 then
  redis.call('DECRBY', KEYS[2], #ARGV[3])
  redis.call('XADD', KEYS[3], '*', 'event', ARGV[3], 'reason', ARGV[4])
end
return 0";

/// Takes the lease, or makes it longer. A server whose memory is full refuses to set keys, and has to be read all the same:
/// a script that has written something before is not refused.
pub(super) const LEAD: &str = r"
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if holder then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 1
end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 2";

pub(super) const RESIGN: &str = r"
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return 0";
