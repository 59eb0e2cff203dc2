-- KEYS: stream, shard counters, tenant counters, stream state
-- ARGV: gen seq floor bytes, limits (shard bytes, shard entries, tenant bytes, tenant entries),
--       tenant stream agent at body
local gen, seq, floor, bytes = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

local state = redis.call('HMGET', KEYS[4], 'g', 'l', 'n')
local held = tonumber(state[1] or 0)
local last = tonumber(state[2] or 0)
local waiting = tonumber(state[3] or 0)
if held ~= gen then last, waiting = 0, 0 end
if last < floor then last = floor end

local next = last + 1
if seq < next then return {'duplicate', next} end
if seq > next then return {'gap', next} end

local function over(key, maxBytes, maxEntries)
  local c = redis.call('HMGET', key, 'b', 'n')
  return tonumber(c[1] or 0) + bytes > tonumber(maxBytes) or tonumber(c[2] or 0) >= tonumber(maxEntries)
end
if over(KEYS[2], ARGV[5], ARGV[6]) or over(KEYS[3], ARGV[7], ARGV[8]) then
  return {'full', next}
end

redis.call('HSET', KEYS[4], 'g', ARGV[1], 'l', ARGV[2], 'n', tostring(waiting + 1))
for i = 2, 3 do
  redis.call('HINCRBY', KEYS[i], 'b', ARGV[4])
  redis.call('HINCRBY', KEYS[i], 'n', '1')
end
redis.call('XADD', KEYS[1], '*', 't', ARGV[9], 's', ARGV[10], 'g', ARGV[1], 'q', ARGV[2],
  'a', ARGV[11], 'at', ARGV[12], 'body', ARGV[13])
return {'accepted', next + 1}
