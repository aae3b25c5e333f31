// A message of the service worker to its pages: set a cookie that script may read.

export const SET_SCRIPT_COOKIE = 'mte-relay script cookie';

/** The message. */
export interface ScriptCookieMessage {
  readonly type: typeof SET_SCRIPT_COOKIE;
  readonly setCookie: string;
}
