// Event streams and the events that they are, after the examples and rules of HTML §9.2.5 and §9.2.6. The same cases run
// against this client and against a browser's own EventSource.

export interface EventStreamCase {
  readonly name: string;
  /** The bytes that the server sends, each piece flushed by itself; `\xNN` is one byte. */
  readonly pieces: readonly string[];
  /** Events as `type|data|lastEventId`. */
  readonly events: readonly string[];
}

/** UTF-8 bytes, one character each. */
function utf8(text: string): string {
  return Buffer.from(text).toString('latin1');
}

const SMILE = utf8('🙂');

export const EVENT_STREAM_CASES: readonly EventStreamCase[] = [
  {
    name: 'three messages, the last of which never ends',
    pieces: ['data: YHOO\ndata: +2\ndata: 10\n\ndata: second\n\ndata: lost'],
    events: ['message|YHOO\n+2\n10|', 'message|second|'],
  },
  {
    name: 'comment, id, empty id, data with leading spaces',
    pieces: [': test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n'],
    events: ['message|first event|1', 'message|second event|', 'message| third event|'],
  },
  {
    name: 'empty data, two empty data, no end',
    pieces: ['data\n\ndata\ndata\n\ndata:'],
    events: ['message||', 'message|\n|'],
  },
  {
    name: 'one space behind the colon goes',
    pieces: ['data:test\n\ndata: test\n\n'],
    events: ['message|test|', 'message|test|'],
  },
  { name: 'lines end in CR', pieces: ['data: a\rdata: b\r\rdata: c\r\r'], events: ['message|a\nb|', 'message|c|'] },
  { name: 'lines end in CRLF', pieces: ['data: a\r\ndata: b\r\n\r\n'], events: ['message|a\nb|'] },
  {
    name: 'line ends mixed',
    pieces: ['data: a\rdata: b\ndata: c\r\n\ndata: d\n\r'],
    events: ['message|a\nb\nc|', 'message|d|'],
  },
  {
    name: 'CR and LF in two pieces are one line end',
    pieces: ['data: a\r', '\ndata: b\r\n\r', '\ndata: c\n\n'],
    events: ['message|a\nb|', 'message|c|'],
  },
  {
    name: 'a CR that ends a piece ends the block',
    pieces: ['data: a\r\r', 'data: b\n\n'],
    events: ['message|a|', 'message|b|'],
  },
  { name: 'a byte order mark in front goes', pieces: ['\xef\xbb\xbfdata: a\n\n'], events: ['message|a|'] },
  { name: 'only one goes', pieces: ['\xef\xbb\xbf\xef\xbb\xbfdata: a\n\ndata: b\n\n'], events: ['message|b|'] },
  {
    name: 'and only in front',
    pieces: ['data: a\n\n\xef\xbb\xbfdata: b\n\ndata: c\n\n'],
    events: ['message|a|', 'message|c|'],
  },
  { name: 'a byte order mark in pieces', pieces: ['\xef', '\xbb', '\xbfdata: a\n\n'], events: ['message|a|'] },
  {
    name: 'text that looks like one in Latin-1 stays',
    pieces: [`${utf8('ï»¿')}data: a\n\ndata: b\n\n`],
    events: ['message|b|'],
  },
  {
    name: 'UTF-8 cut inside characters',
    pieces: [
      `data: ${SMILE.slice(0, 1)}`,
      SMILE.slice(1, 3),
      `${SMILE.slice(3)}${utf8('ü').slice(0, 1)}`,
      `${utf8('ü').slice(1)}\n\n`,
    ],
    events: ['message|🙂ü|'],
  },
  { name: 'bytes that are not UTF-8 are replaced', pieces: ['data: a\xffb\n\n'], events: ['message|a\ufffdb|'] },
  {
    name: 'named events, and back',
    pieces: ['event: add\ndata: 1\n\nevent:remove\ndata: 2\n\ndata: 3\n\nevent\ndata: 4\n\n'],
    events: ['add|1|', 'remove|2|', 'message|3|', 'message|4|'],
  },
  {
    name: 'a name alone is not an event, and is forgotten',
    pieces: ['event: add\n\ndata: a\n\n'],
    events: ['message|a|'],
  },
  { name: 'the last name counts', pieces: ['event: remove\nevent: add\ndata: a\n\n'], events: ['add|a|'] },
  {
    name: 'an id stays for later events',
    pieces: ['id: 7\ndata: a\n\ndata: b\n\nid: 8\ndata: c\n\n'],
    events: ['message|a|7', 'message|b|7', 'message|c|8'],
  },
  { name: 'an id without data counts for the next event', pieces: ['id: 7\n\ndata: a\n\n'], events: ['message|a|7'] },
  {
    name: 'an id with NUL is ignored',
    pieces: ['id: 7\ndata: a\n\nid: 8\x009\ndata: b\n\n'],
    events: ['message|a|7', 'message|b|7'],
  },
  { name: 'an id beyond ASCII', pieces: [`id: ${utf8('…🙂')}\ndata: a\n\n`], events: ['message|a|…🙂'] },
  { name: 'NUL in data stays', pieces: ['data: a\x00b\n\n'], events: ['message|a\x00b|'] },
  {
    name: 'unknown fields, wrong case and leading space',
    pieces: ['xdata: a\nDATA: b\n data: c\ndata : d\ndata: e\nheart: beat\n\n'],
    events: ['message|e|'],
  },
  { name: 'comments between data', pieces: [':\n:x\ndata: a\n: data: b\ndata: c\n\n'], events: ['message|a\nc|'] },
  { name: 'colons in data', pieces: ['data:a:b\ndata::c\n\n'], events: ['message|a:b\n:c|'] },
  {
    name: 'retry that is not a number changes nothing',
    pieces: ['retry: 10x\nretry:\nretry: -1\ndata: a\n\n'],
    events: ['message|a|'],
  },
  { name: 'byte by byte', pieces: [...'id: 1\r\nevent: e\r\ndata: x\r\n\r\n'], events: ['e|x|1'] },
  {
    name: 'a line of 100,000 characters',
    pieces: ['data: ', 'x'.repeat(50_000), 'x'.repeat(50_000), '\n\n'],
    events: [`message|${'x'.repeat(100_000)}|`],
  },
];

/** Types that the cases name: a listener is needed for each. */
export const EVENT_TYPES: readonly string[] = ['message', 'add', 'remove', 'e'];
