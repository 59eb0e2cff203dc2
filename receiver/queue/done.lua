-- KEYS: stream, shard counters, tenant counters, stream state
-- ARGV: group, entry id, gen, bytes
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
if redis.call('XDEL', KEYS[1], ARGV[2]) == 0 then return 0 end

for i = 2, 3 do
  redis.call('HINCRBY', KEYS[i], 'b', '-' .. ARGV[4])
  if redis.call('HINCRBY', KEYS[i], 'n', '-1') <= 0 then redis.call('DEL', KEYS[i]) end
end
local state = redis.call('HMGET', KEYS[4], 'g', 'n')
if state[1] == ARGV[3] and tonumber(state[2] or 0) > 0 then
  redis.call('HINCRBY', KEYS[4], 'n', '-1')
end
return 1
