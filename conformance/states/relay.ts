// Plays the scripts of relay-states.json: seals the messages of one session and reads what the relay makes of each.
import {
  type Bytes,
  decodeCancelResult,
  encodeCancel,
  encodeRequest,
  MESSAGE_TYPE_CANCEL,
  MESSAGE_TYPE_EXCHANGE,
  SENT_FIELD,
} from '@mte-relay/protocol';
import { type OuterResponse, opened, openResponse, type SealedClient } from '@mte-relay/testing/sealed-client';
import type { RelayStateCase } from '../format.ts';
import type { Sent, StepResult } from '../twin/relay.ts';

/** One relay and a session with it. */
export interface RelayUnderTest {
  readonly client: SealedClient;
  post(message: Bytes): Promise<OuterResponse>;
  /** The relay's time, ms since 1970. */
  nowMs(): number;
  wait(ms: number): void;
}

type Sealed = Awaited<ReturnType<SealedClient['seal']>>;

/** The results of the script's steps, in order; undefined for a wait. */
export async function playScript(
  { client, post, nowMs, wait }: RelayUnderTest,
  { steps }: RelayStateCase,
): Promise<(StepResult | undefined)[]> {
  const results: (StepResult | undefined)[] = [];
  const read: (() => Promise<StepResult>)[] = [];
  for (const step of steps) {
    if (step.do === 'wait') {
      wait(step.ms);
      read.push(() => Promise.reject(new Error('a wait is not repeated')));
      results.push(undefined);
      continue;
    }
    if (step.do === 'repeat') {
      read.push(read[step.step] as () => Promise<StepResult>);
    } else if (step.do === 'cancel' || step.do === 'broken cancel') {
      const target = step.do === 'cancel' ? step.target : 0;
      const plaintext = encodeCancel(target).subarray(step.do === 'cancel' ? 0 : 1);
      const sealed = await client.seal(plaintext, MESSAGE_TYPE_CANCEL, step.n);
      read.push(async () => await cancelResult(await post(sealed.message), sealed, target));
    } else {
      const fields = step.do === 'exchange' ? sentFields(step.sent, nowMs()) : [];
      const head = { method: 'POST', scheme: 'http', authority: client.authority, path: '/', headers: fields };
      const sealed = await client.seal(encodeRequest(head, new Uint8Array(0)), MESSAGE_TYPE_EXCHANGE, step.n);
      if (step.do === 'forged') sealed.message[sealed.message.length - 1] = ~(sealed.message.at(-1) as number);
      read.push(async () => await exchangeResult(await post(sealed.message), sealed));
    }
    results.push(await (read.at(-1) as () => Promise<StepResult>)());
  }
  return results;
}

function sentFields(sent: Sent, nowMs: number): [string, string][] {
  if (sent === 'missing') return [];
  return [[SENT_FIELD, 'value' in sent ? sent.value : String(nowMs + sent.offsetMs)]];
}

async function exchangeResult(outer: OuterResponse, { exchange }: Sealed): Promise<StepResult> {
  if (outer.status !== 200) return outer.code as StepResult;
  const { head, header } = await openResponse(exchange, outer);
  return head.status === 200 ? 'runs' : (header('mte-relay-failure') as StepResult);
}

async function cancelResult(outer: OuterResponse, { exchange }: Sealed, target: number): Promise<StepResult> {
  if (outer.status !== 200) return outer.code as StepResult;
  const isCancelled = decodeCancelResult(await opened(exchange, outer.body), target);
  return isCancelled ? 'cancelled' : 'already claimed';
}
