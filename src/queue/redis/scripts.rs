//! What has to happen as one in a server of Redis.

/// 0 for an event that was stored, 1 where it had been before, 2 where it does not fit. Where nothing waits the bytes are
/// counted anew: somebody may have removed the stream alone. An event that had been stored before is written for, too: WAIT
/// counts the replicas that have what was last written over its connection, all of them where nothing was.
pub(super) const STORE: &str = r"
if redis.call('EXISTS', KEYS[3]) == 1 then
  redis.call('PEXPIRE', KEYS[3], redis.call('PTTL', KEYS[3]))
  return 1
end
local bytes = #ARGV[1]
if redis.call('XLEN', KEYS[1]) > 0 then bytes = bytes + tonumber(redis.call('GET', KEYS[2]) or '0') end
if bytes > tonumber(ARGV[2]) then return 2 end
redis.call('XADD', KEYS[1], '*', 'event', ARGV[1])
redis.call('SET', KEYS[2], bytes)
redis.call('SET', KEYS[3], '1', 'PX', ARGV[3])
return 0";

/// The next events, until they are so many or of so many bytes. A few are asked for at a time where those so far were
/// small: how large the next one is cannot be known.
pub(super) const NEXT: &str = r"
local found, bytes, most, enough = {}, 0, tonumber(ARGV[3]), tonumber(ARGV[4])
while #found < most and bytes < enough do
  local count = 1
  if #found > 0 and bytes / #found * 8 < enough - bytes then count = math.min(8, most - #found) end
  local read = redis.call('XREADGROUP', 'GROUP', ARGV[1], ARGV[2], 'COUNT', count, 'STREAMS', KEYS[1], '>')
  if not read then break end
  for _, event in ipairs(read[1][2]) do
    found[#found + 1] = event
    bytes = bytes + #event[2][2]
  end
end
return found";

/// The same of what has been given out before, to whomever, from a place on; with the place that follows, 0-0 at the end.
pub(super) const AGAIN: &str = r"
local found, bytes, from = {}, 0, ARGV[5]
repeat
  local claimed = redis.call('XAUTOCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, from, 'COUNT', 1)
  from = claimed[1]
  local event = claimed[2][1]
  if event then
    found[#found + 1] = event
    bytes = bytes + #event[2][2]
  end
until from == '0-0' or #found >= tonumber(ARGV[3]) or bytes >= tonumber(ARGV[4])
return {from, found}";

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
