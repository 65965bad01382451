-- Write what changed of a session, and renew its expiry; or end it, if nobody has written to it since.
-- KEYS[1] record
-- ARGV[1] digests that prove the right, 16 bytes each, the present key's first  [2] now
-- ARGV[3] seconds to live  [4] seconds to live from creation at most
-- ARGV[5] idle seconds; '' for the default; 'keep' for what the record has noted
-- ARGV[6] seconds to live while no data is held, or ''  [7] 1: drop every other field
-- ARGV[8] the version at which to end the session instead, or ''  [9] who writes
-- ARGV[10] 1: somebody logs in  [11] last index of the fields to set
-- ARGV[12...] field, value, ..., then fields to delete
-- Returns {1, version, expiry}; {2} where it ended it; {0} where the record is gone; {-1} where the
-- secret was rotated away.
local key, digests, now, last = KEYS[1], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[11])
local stored = redis.call('HMGET', key, '\0k', '\0c', '\0v', '\0i', '\0x')
if not stored[1] then return {0} end
if #stored[1] ~= 16 or not string.find(digests, stored[1], 1, true) then return {-1} end
if stored[3] == ARGV[8] then
  redis.call('PUBLISH', key, 'emptied ' .. ARGV[9])
  return {1 + redis.call('UNLINK', key)}
end
if not string.find(stored[3] or '', '^[1-9]%d*$') or #stored[3] > 18 then
  return {0} -- somebody has put another thing there, which the server cannot count up
end
local version = redis.call('HINCRBY', key, '\0v', 1)
if ARGV[7] == '1' then
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.byte(field) ~= 0 then redis.call('HDEL', key, field) end
  end
end
for i = 12, last, 1000 do redis.call('HSET', key, unpack(ARGV, i, math.min(i + 999, last))) end
for i = last + 1, #ARGV do redis.call('HDEL', key, ARGV[i]) end
local age, idle = tonumber(ARGV[3]), ARGV[5]
if idle == 'keep' then
  idle = stored[4] or ''
  if idle == '0' then
    age = (tonumber(stored[5]) or 0) - now
  elseif idle ~= '' then
    age = tonumber(idle) or 0
  end
end
if ARGV[6] ~= '' then
  local held = false
  for _, field in ipairs(redis.call('HKEYS', key)) do held = held or string.byte(field) ~= 0 end
  if not held then age, idle = math.min(age, tonumber(ARGV[6])), ARGV[6] end
end
local expiry = math.floor(math.min(now + age, (tonumber(stored[2]) or 0) + tonumber(ARGV[4])))
if not (expiry >= 0 and expiry < 1e13) then expiry = 0 end -- somebody has put no time there
redis.call('HSET', key, '\0k', string.sub(digests, 1, 16), '\0x', expiry)
if ARGV[10] == '1' then
  local time = redis.call('TIME')
  redis.call('HSET', key, '\0l', string.format('%d%06d', time[1], time[2]), '\0s', now)
elseif redis.call('HGET', key, '\0l') then
  redis.call('HSET', key, '\0s', now)
end
if idle == '' then redis.call('HDEL', key, '\0i') else redis.call('HSET', key, '\0i', idle) end
redis.call('EXPIREAT', key, expiry)
redis.call('PUBLISH', key, 'saved ' .. ARGV[9])
return {1, version, expiry}
