// The scripts that run inside Redis, atomically. Each script first reads the replication id of its own Redis, which is
// random per process and changes at every promotion to master, so it names one unbroken line of writes. A session
// belongs to the line that made it. If writes may have been lost (a promoted replica, a restart, a restored dump), the
// id differs and the session is unknown: no failover makes a number claimable twice
// (docs/decisions/2026-11-22-redis-failover.md).
import { createHash } from 'node:crypto';
import { REPLAY_WINDOW } from '@mte-relay/protocol';

/** A Lua script with the name that EVALSHA knows it by. */
export interface RedisScript {
  readonly text: string;
  readonly sha1: string;
}

const BLOCK_BITS = 32;
const BLOCKS = REPLAY_WINDOW / BLOCK_BITS + 1;

// line(generation): the name of this line of writes, and INFO's text. A managed Redis may hide INFO from scripts; the
// line is then the generation that the relays agree on.
const PRELUDE = `
local function line(generation)
  local info = redis.pcall('INFO', 'replication')
  if type(info) == 'string' then
    if string.find(info, 'role:slave', 1, true) then error('READONLY this is a replica') end
    local id = string.match(info, 'master_replid:(%x+)')
    if id then return id, info end
  end
  return 'g' .. generation, nil
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function text(number) return string.format('%.0f', number) end
`;

/**
 * KEYS: the store's own record, or with 'node' any key. ARGV: the generation last known or '', '1' when a connection was
 * lost since then, 'single' | 'sentinel' | 'cluster' | 'node', absolute lifetime ms, fence ms.
 * Returns {line, bound 0|1, epoch ms, age ms, now ms}.
 */
export const HELLO: RedisScript = script(`
local known = redis.call('HMGET', KEYS[1], 'line', 'epoch', 'since', 'replicated', 'generation')
local id, info = line('')
if not info and ARGV[3] == 'node' then error('NOTKNOWN the generation is kept on another node') end
-- Claims are writes: without memory, disk or enough replicas Redis responds to reads, and must not count as ready.
redis.call('HSET', KEYS[1], 'asked', text(now))
if ARGV[3] == 'node' then redis.call('PEXPIRE', KEYS[1], '60000') end
if not info then
  local generation = known[5]
  if not generation then
    generation = text(now)
    redis.call('HSET', KEYS[1], 'generation', generation)
  elseif ARGV[2] == '1' and generation == ARGV[1] then
    generation = text(math.max(now, tonumber(generation) + 1))
    redis.call('HSET', KEYS[1], 'generation', generation)
  end
  return {'g' .. generation, '0', '0', '0', text(now)}
end
-- In a cluster each master has a line of its own, and cannot vouch for the others.
if ARGV[3] == 'cluster' or ARGV[3] == 'node' then return {id, '1', '0', '0', text(now)} end
local replicas = tonumber(string.match(info, 'connected_slaves:(%d+)') or '0')
local replicated = known[4] or ARGV[3] == 'sentinel' or replicas > 0 or not string.find(info, 'master_replid2:0+%s')
local since = tonumber(known[3] or now)
local epoch = tonumber(known[2] or '0')
if known[1] ~= id then
  local began = now
  if not replicated then
    local server = redis.pcall('INFO', 'server')
    local uptime = type(server) == 'string' and tonumber(string.match(server, 'uptime_in_seconds:(%d+)')) or 0
    began = math.min(now, now - uptime * 1000 + 1000) -- uptime is in whole seconds
  end
  epoch = math.max(began, epoch + 1)
  redis.call('HSET', KEYS[1], 'line', id, 'epoch', text(epoch), 'since', text(since))
end
if replicated and not known[4] then redis.call('HSET', KEYS[1], 'replicated', '1') end
-- Sessions of any store before this record must have expired. With replicas, an old master that is cut off from its
-- successor still accepts claims, unless min-replicas-to-write stops it, which takes some time.
local settled = math.max(epoch, since + tonumber(ARGV[4]))
if replicated then settled = math.max(settled, epoch + tonumber(ARGV[5])) end
local age = math.max(0, now - settled)
if replicated and not string.find(info, 'min_slaves_good_slaves:', 1, true) then age = 0 end
return {id, '1', text(epoch), text(age), text(now)}
`);

/**
 * KEYS: the session. ARGV: generation, the line it was paired under or '' for any, expiry ms, record, domain,
 * unconfirmed ms. Returns 1, or 0 if this is another line.
 */
export const CREATE: RedisScript = script(`
local id = line(ARGV[1])
if ARGV[2] ~= '' and ARGV[2] ~= id then return 0 end
redis.call('HSET', KEYS[1], 'record', ARGV[4], 'domain', ARGV[5], 'line', id, 'expiry', ARGV[3], 'last', text(now))
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return 1
`);

/** The results of CLAIM, by the index that it returns. */
export const CLAIM_REPLIES = ['gone', 'fresh', 'seen', 'stale'] as const;

/**
 * KEYS: the session. ARGV: generation, n, 'exchange' | 'cancel', idle ms. Returns an index of CLAIM_REPLIES.
 * The window is that of \`ReplayWindow\` in @mte-relay/protocol: a ring of ${BLOCKS} blocks of ${BLOCK_BITS} bits.
 */
export const CLAIM: RedisScript = script(`
local s = redis.call('HMGET', KEYS[1], 'line', 'expiry', 'last', 'top', 'ring')
if not s[1] then return 0 end
if s[1] ~= line(ARGV[1]) or now >= tonumber(s[2]) then
  redis.call('DEL', KEYS[1])
  return 0
end
local ended = now - tonumber(s[3]) > tonumber(ARGV[4])
if ended and ARGV[3] == 'exchange' then return 0 end
local n = tonumber(ARGV[2])
local top = tonumber(s[4] or '-1')
if n <= top - ${REPLAY_WINDOW} then return 3 end
local ring = s[5] or string.rep('\\0', ${BLOCKS * 4})
local block = math.floor(n / ${BLOCK_BITS})
if n > top then
  local topBlock = top < 0 and -1 or math.floor(top / ${BLOCK_BITS})
  for i = 0, math.min(block - topBlock, ${BLOCKS}) - 1 do
    local at = (block - i) % ${BLOCKS} * 4
    ring = string.sub(ring, 1, at) .. '\\0\\0\\0\\0' .. string.sub(ring, at + 5)
  end
end
local at = block % ${BLOCKS} * 4 + math.floor(n % ${BLOCK_BITS} / 8) + 1
local byte = string.byte(ring, at)
local mask = 2 ^ (n % 8)
if math.floor(byte / mask) % 2 == 1 then return 2 end
ring = string.sub(ring, 1, at - 1) .. string.char(byte + mask) .. string.sub(ring, at + 1)
redis.call('HSET', KEYS[1], 'ring', ring, 'top', n > top and ARGV[2] or s[4], 'last', ended and s[3] or text(now))
if top < 0 then redis.call('PEXPIREAT', KEYS[1], s[2]) end -- confirmed
return 1
`);

function script(body: string): RedisScript {
  const text = PRELUDE + body;
  return { text, sha1: createHash('sha1').update(text).digest('hex') };
}
