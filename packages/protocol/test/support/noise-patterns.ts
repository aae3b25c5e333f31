// The handshake patterns of Noise rev 34 §7 and its appendix, as data: pre-messages, then the messages in turn.

export type Token = 'e' | 's' | 'ee' | 'es' | 'se' | 'ss' | 'psk';

export interface Pattern {
  readonly initiatorKnown: boolean;
  readonly responderKnown: boolean;
  /** The first is the initiator's, and so on in turn. */
  readonly messages: readonly (readonly Token[])[];
  readonly oneWay: boolean;
}

// Before the colon: whose static key is known beforehand.
const PATTERNS: Readonly<Record<string, string>> = {
  N: 'r: e es',
  K: 'ir: e es ss',
  X: 'r: e es s ss',
  NN: ': e, e ee',
  NK: 'r: e es, e ee',
  NX: ': e, e ee s es',
  KN: 'i: e, e ee se',
  KK: 'ir: e es ss, e ee se',
  KX: 'i: e, e ee se s es',
  XN: ': e, e ee, s se',
  XK: 'r: e es, e ee, s se',
  XX: ': e, e ee s es, s se',
  IN: ': e s, e ee se',
  IK: 'r: e es s ss, e ee se',
  IX: ': e s, e ee se s es',
  NK1: 'r: e, e ee es',
  NX1: ': e, e ee s, es',
  X1N: ': e, e ee, s, se',
  X1K: 'r: e es, e ee, s, se',
  XK1: 'r: e, e ee es, s se',
  X1K1: 'r: e, e ee es, s, se',
  X1X: ': e, e ee s es, s, se',
  XX1: ': e, e ee s, es s se',
  X1X1: ': e, e ee s, es s, se',
  K1N: 'i: e, e ee, se',
  K1K: 'ir: e es, e ee, se',
  KK1: 'ir: e, e ee se es',
  K1K1: 'ir: e, e ee es, se',
  K1X: 'i: e, e ee s es, se',
  KX1: 'i: e, e ee se s, es',
  K1X1: 'i: e, e ee s, se es',
  I1N: ': e s, e ee, se',
  I1K: 'r: e es s, e ee, se',
  IK1: 'r: e s, e ee se es',
  I1K1: 'r: e s, e ee es, se',
  I1X: ': e s, e ee s es, se',
  IX1: ': e s, e ee se s, es',
  I1X1: ': e s, e ee s, se es',
};

/** The pattern of a name such as "XXpsk3": pskN stands in front of the first message for N = 0, else behind the Nth. */
export function patternOf(name: string): Pattern {
  const [base, modifier] = name.split('psk') as [string, string | undefined];
  const described = PATTERNS[base];
  if (described === undefined) throw new Error(`no pattern ${base}`);
  const [known, flow] = described.split(':') as [string, string];
  const messages = flow.split(',').map((message) => message.trim().split(' ') as Token[]);
  if (modifier === '0') messages[0]?.unshift('psk');
  else if (modifier !== undefined) messages[Number(modifier) - 1]?.push('psk');
  return {
    initiatorKnown: known.includes('i'),
    responderKnown: known.includes('r'),
    messages,
    oneWay: messages.length === 1,
  };
}
