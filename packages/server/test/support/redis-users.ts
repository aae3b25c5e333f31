// Users of Redis whose rights are those of managed ones: a server that is started with these arguments knows them.

export const REDIS_PASSWORD = 'relay-password';

/** Arguments of redis-server; its default user may still do everything. */
export const RELAY_USERS: readonly string[] = [
  ...userArguments('relay'),
  ...userArguments('no-info', '-info'),
  ...userArguments('no-functions', '-info', '-fcall', '-function'),
];

function userArguments(name: string, ...rights: string[]): string[] {
  return ['--user', name, 'on', `>${REDIS_PASSWORD}`, '~*', '&*', '+@all', ...rights];
}

interface OnPort {
  readonly port: number;
}

/** As a user whose scripts may do everything. */
export function relayUrl({ port }: OnPort): string {
  return urlOf('relay', port);
}

/** As a user whose scripts may not read INFO, as in Redis Enterprise. */
export function urlWithoutInfo({ port }: OnPort): string {
  return urlOf('no-info', port);
}

/** As one that may use no functions either, as before Redis 7. */
export function urlWithoutFunctions({ port }: OnPort): string {
  return urlOf('no-functions', port);
}

function urlOf(user: string, port: number): string {
  return `redis://${user}:${REDIS_PASSWORD}@127.0.0.1:${port}`;
}
