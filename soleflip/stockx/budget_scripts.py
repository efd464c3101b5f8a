"""The Lua of the budget: each script runs as one step inside Redis. Times are microseconds of Redis's clock."""

# KEYS: slot, waiting, items, day, blocked
# ARGV: ticket, rank, lane, items, day ceiling, item day limit, item limit, item window, interval, hold, clock (s)
# Answers {verdict, ticket, number}: number is the microseconds to wait; verdicts: granted, wait, blocked, items, day,
# items_day. Only `wait` keeps a place in the queue, so that nobody waits behind a caller who can't go anyway.
ACQUIRE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local ticket, rank, lane, items = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local interval, hold = tonumber(ARGV[9]), tonumber(ARGV[10])

local function refuse(verdict, number)
  if ticket ~= '' then redis.call('ZREM', KEYS[2], ticket) end
  return {verdict, '', string.format('%.0f', number)}
end

-- No block lasts longer than a day: a later one was told by another clock, such as a sandbox's.
local pause = tonumber(redis.call('GET', KEYS[5]) or '0') - tonumber(ARGV[11])
if pause > 0 and pause <= 86400 then return refuse('blocked', pause * 1000000) end
local day = redis.call('HMGET', KEYS[4], 'total', 'items')
if tonumber(day[1] or '0') >= tonumber(ARGV[5]) then return refuse('day', 0) end

if items > 0 then
  if tonumber(day[2] or '0') + items > tonumber(ARGV[6]) then return refuse('items_day', 0) end
  local window, used = tonumber(ARGV[8]), 0
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now - window)
  local sent = redis.call('ZRANGE', KEYS[3], 0, -1, 'WITHSCORES')
  for i = 1, #sent, 2 do used = used + tonumber(string.match(sent[i], '%d+$')) end
  local excess = used + items - tonumber(ARGV[7])
  for i = 1, #sent, 2 do
    if excess <= 0 then break end
    excess = excess - tonumber(string.match(sent[i], '%d+$'))
    if excess <= 0 then return refuse('items', tonumber(sent[i + 1]) + window - now) end
  end
  if excess > 0 then return refuse('items', window) end
end

redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
if ticket == '' then
  ticket = string.format('%s:%012d', rank, redis.call('HINCRBY', KEYS[1], 'seq', 1))
end
local before = 0
for _, other in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  if other < ticket then before = before + 1 end
end
local slot = redis.call('HMGET', KEYS[1], 'free_at', 'holder', 'granted_at')
local free_at, holder = tonumber(slot[1] or '0'), slot[2] or ''

if before == 0 and now >= free_at then
  redis.call('ZREM', KEYS[2], ticket)
  redis.call('HSET', KEYS[1], 'free_at', string.format('%.0f', now + interval + hold), 'holder', ticket,
             'granted_at', string.format('%.0f', now))
  redis.call('HINCRBY', KEYS[4], 'total', 1)
  redis.call('HINCRBY', KEYS[4], lane, 1)
  if items > 0 then
    redis.call('HINCRBY', KEYS[4], 'items', items)
    redis.call('ZADD', KEYS[3], now, string.format('%s:%d', ticket, items))
    redis.call('PEXPIRE', KEYS[3], math.ceil(tonumber(ARGV[8]) / 1000))
  end
  redis.call('EXPIRE', KEYS[4], 172800)
  return {'granted', ticket, '0'}
end

-- While a request is out, its end is not known: look again an interval after its start, then often.
local wake = free_at - now
if holder ~= '' then
  wake = tonumber(slot[3]) + interval - now
  if wake <= 0 then wake = math.min(free_at - now, math.max(4000, interval / 10)) end
end
-- Those before may give up: who slept as long as they would have needed would leave slots unused.
wake = math.max(wake, 0) + math.min(before * interval, 1000000)
redis.call('ZADD', KEYS[2], now + wake + 500000, ticket)
return {'wait', ticket, string.format('%.0f', math.max(wake, 1000))}
"""

# KEYS: slot. ARGV: ticket, interval. The slot is free an interval after the answer; a late answer only ever defers.
DONE = """
local time = redis.call('TIME')
local free_at = time[1] * 1000000 + time[2] + tonumber(ARGV[2])
local slot = redis.call('HMGET', KEYS[1], 'free_at', 'holder')
if slot[2] ~= ARGV[1] then free_at = math.max(free_at, tonumber(slot[1] or '0')) end
redis.call('HSET', KEYS[1], 'free_at', string.format('%.0f', free_at))
if slot[2] == ARGV[1] then redis.call('HSET', KEYS[1], 'holder', '') end
return 1
"""

# KEYS: blocked, strikes. ARGV: clock (s), until (s, 0 = not told), clock seconds per real one. Blocks only ever grow;
# untold ones double from 5 real seconds to an hour, and an hour without any forgets them.
PENALISE = """
local now, until_ = tonumber(ARGV[1]), tonumber(ARGV[2])
if until_ == 0 then
  local strikes = redis.call('INCR', KEYS[2])
  redis.call('EXPIRE', KEYS[2], 3600)
  until_ = now + math.min(3600, 5 * 2 ^ math.min(strikes - 1, 20)) * tonumber(ARGV[3])
end
local blocked = tonumber(redis.call('GET', KEYS[1]) or '0')
if blocked > now + 86400 then blocked = 0 end
until_ = math.max(until_, blocked)
redis.call('SET', KEYS[1], string.format('%.3f', until_), 'EX', 90000)
return string.format('%.3f', until_)
"""
