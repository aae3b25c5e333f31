// The settings of a test's relays, whether they run in this process or in their own.

export const TEST_SECRET = '2DkV4DDabehO8cifDktdF9elKJL0CKrk';
export const TEST_ORIGIN = 'https://app.example';

export type Environment = Readonly<Record<string, string>>;

/** The required settings, in front of an upstream. */
export function requiredSettings(upstreamUrl: string): Environment {
  return { UPSTREAM: upstreamUrl, CORS_ORIGINS: TEST_ORIGIN, CLIENT_ID_SECRET: TEST_SECRET };
}
