// Redis for the server's tests, from the programs that tests and commands share.
export { freePort } from '../../../../scripts/test/programs/free-port.ts';
export {
  QUICK_REPLICATION,
  REDIS_SERVER,
  RedisServer,
  startRedis,
  WITHOUT_PERSISTENCE,
} from '../../../../scripts/test/programs/redis.ts';
export { pause, until } from '../../../../scripts/test/programs/until.ts';
