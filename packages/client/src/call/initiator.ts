// Who caused a call. The service worker states it for each request; every other call is the page's or program's own.
import type { Fields } from '@mte-relay/protocol';
import type { InnerRequest } from '../send/seal.ts';

/** The cause of one call. */
export interface Initiator {
  readonly sameSite: InnerRequest['sameSite'];
  /** Fields that replace the client's defaults of the same names; `origin` is sent only if it is among them. */
  readonly fields: Fields;
}
