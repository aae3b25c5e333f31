// The scripts that run inside Redis, atomically. Each one first names the line of writes that it runs in, which ends with
// its process or its term as master. A session belongs to the line that made it: where writes may have been lost (a
// promoted replica, a restart, a restored dump) the name differs and the session is unknown, so that no failover makes a
// number claimable twice. Where scripts may read INFO, the name is the replication id. Where they may not, the scripts
// are functions of a library, and the name is a variable of that library, which no replica or restarted process has
// (docs/decisions/2026-11-30-line-in-the-library.md).
import { createHash } from 'node:crypto';
import { REPLAY_WINDOW } from '@mte-relay/protocol';

/** What runs in one atomic step, in two forms: a script, and a function of the library. */
export interface RedisScript {
  readonly text: string;
  /** The name that EVALSHA knows it by. */
  readonly sha1: string;
  /** The name that FCALL knows it by, once {@link LIBRARY} is loaded. */
  readonly functionName: string;
}

const BLOCK_BITS = 32;
const BLOCKS = REPLAY_WINDOW / BLOCK_BITS + 1;

// line(given): the name of this line of writes, and INFO's text or nil. A script that may not read INFO uses the
// generation that it is given.
const LINE_OF_SCRIPT = `
local function line(generation)
  local info = redis.pcall('INFO', 'replication')
  if type(info) == 'string' then
    if string.find(info, 'role:slave', 1, true) then error('READONLY this is a replica') end
    local id = string.match(info, 'master_replid:(%x+)')
    if id then return id, info end
  end
  return 'g' .. generation, nil
end
`;
// Redis refuses functions that write on a replica. A full resynchronisation loads the library anew, and forgets the name.
const LINE_OF_FUNCTION = `
local mine
local function line(proposed)
  if not mine and proposed ~= '' then mine = proposed end
  return 'm' .. (mine or ''), nil
end
`;
const COMMON = `
local function text(number) return string.format('%.0f', number) end
`;
const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`;

const HELLO_BODY = `
local known = redis.call('HMGET', KEYS[1], 'line', 'epoch', 'replicated', 'generation', 'lineage')
local id, info = line(ARGV[1])
if not info and ARGV[3] == 'replication-id' then return {} end
-- Claims are writes: without memory, disk or enough replicas Redis responds to reads, and must not count as ready.
redis.call('HSET', KEYS[1], 'asked', text(now))
if ARGV[4] == 'node' then redis.call('PEXPIRE', KEYS[1], '60000') end
if ARGV[3] == 'generation' then
  local generation = known[4]
  if not generation then
    generation = text(now)
    redis.call('HSET', KEYS[1], 'generation', generation)
  else
    -- Raised once for all relays that lost a connection; and again where a failover has lost that.
    local before, present = tonumber(ARGV[1] ~= '' and ARGV[1] or 0), tonumber(generation)
    if present < before or (present == before and ARGV[2] == '1') then
      generation = text(math.max(now, before + 1))
      redis.call('HSET', KEYS[1], 'generation', generation)
    end
  end
  return {'g' .. generation, text(now), '0', 'none', ARGV[5]}
end
-- In a cluster each master has a line of its own, and cannot vouch for the others. Without INFO nothing is known of
-- replicas.
if not info or ARGV[4] == 'cluster' or ARGV[4] == 'node' then return {id, text(now), '0', 'none', ARGV[5]} end
local replicas = tonumber(string.match(info, 'connected_slaves:(%d+)') or '0')
local replicated = known[3] or ARGV[4] == 'sentinel' or replicas > 0 or not string.find(info, 'master_replid2:0+%s')
local epoch = tonumber(known[2] or '0')
if known[1] ~= id then
  epoch = math.max(now, epoch + 1)
  redis.call('HSET', KEYS[1], 'line', id, 'epoch', text(epoch))
end
if replicated and not known[3] then redis.call('HSET', KEYS[1], 'replicated', '1') end
local lineage = known[5]
if not lineage then
  lineage = ARGV[5]
  redis.call('HSET', KEYS[1], 'lineage', lineage)
end
-- With replicas, an old master that is cut off from its successor still accepts claims, unless min-replicas-to-write
-- stops it, which takes some time.
local others = 'none'
if not replicated then others = 'alone'
elseif string.find(info, 'min_slaves_good_slaves:', 1, true) then others = 'fenced' end
return {id, text(now), text(epoch), others, lineage}
`;

const CREATE_BODY = `
local id = line(ARGV[1])
if ARGV[2] ~= '' and ARGV[2] ~= id then return 0 end
redis.call('HSET', KEYS[1], 'record', ARGV[4], 'domain', ARGV[5], 'line', id, 'expiry', ARGV[3], 'last', text(now))
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return 1
`;

const CLAIM_BODY = `
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
`;

const ADMIT_BODY = `
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', text(now))
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], text(now + tonumber(ARGV[3])), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
`;

const VERSION = createHash('sha1')
  .update([LINE_OF_FUNCTION, COMMON, NOW, HELLO_BODY, CREATE_BODY, CLAIM_BODY, ADMIT_BODY].join(''))
  .digest('hex')
  .slice(0, 12);

/**
 * KEYS: the store's own record, or with 'node' any key. ARGV: the generation last known, or for a function a name for
 * this line should it have none yet, never given before; '1' when a connection was lost since the generation was known;
 * 'replication-id' | 'library' | 'generation': what names the line; 'single' | 'sentinel' | 'cluster' | 'node'; a lineage
 * for a store without one. Returns {line, now ms, epoch ms, 'none' | 'alone' | 'fenced', lineage}: of what age it may
 * vouch; or {} if scripts may not read INFO.
 */
export const HELLO: RedisScript = script('hello', HELLO_BODY);

/**
 * KEYS: the session. ARGV: generation or a new name as for HELLO, the line it was paired under or '' for any, expiry ms,
 * record, domain, unconfirmed ms. Returns 1, or 0 if this is another line.
 */
export const CREATE: RedisScript = script('create', CREATE_BODY);

/** The results of CLAIM, by the index that it returns. */
export const CLAIM_REPLIES = ['gone', 'fresh', 'seen', 'stale'] as const;

/**
 * KEYS: the session. ARGV: generation, or '' for a function; n; 'exchange' | 'cancel'; idle ms. Returns an index of
 * CLAIM_REPLIES. The window is that of `ReplayWindow` in @mte-relay/protocol: a ring of blocks of bits.
 */
export const CLAIM: RedisScript = script('claim', CLAIM_BODY);

/**
 * KEYS: a network. ARGV: the session's id, most sessions, how long one counts in ms. Returns 1, or 0 if the network has as
 * many as it may have.
 */
export const ADMIT: RedisScript = script('admit', ADMIT_BODY);

/** The four as functions. Its name has their version: relays of another one do not share sessions. */
export const LIBRARY: string = [
  `#!lua name=mte_relay_${VERSION}`,
  LINE_OF_FUNCTION,
  COMMON,
  ...[
    ['hello', HELLO_BODY],
    ['create', CREATE_BODY],
    ['claim', CLAIM_BODY],
    ['admit', ADMIT_BODY],
  ].map(([name, body]) => `redis.register_function('${nameOf(name as string)}', function(KEYS, ARGV)${NOW}${body}end)`),
].join('\n');

function script(name: string, body: string): RedisScript {
  const text = LINE_OF_SCRIPT + COMMON + NOW + body;
  return { text, sha1: createHash('sha1').update(text).digest('hex'), functionName: nameOf(name) };
}

function nameOf(name: string): string {
  return `mte_relay_${name}_${VERSION}`;
}
