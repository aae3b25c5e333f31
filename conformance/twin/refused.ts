// The failure classes of SPEC §8, as the twin knows them.

export type FailureClass =
  | 'malformed'
  | 'truncated'
  | 'unopenable'
  | 'too-large'
  | 'version-unsupported'
  | 'suite-unsupported'
  | 'key-unknown';

/** Thrown for input that the SPEC rejects. */
export class Refused extends Error {
  readonly failure: FailureClass;

  constructor(failure: FailureClass) {
    super(failure);
    this.failure = failure;
  }
}

/** Refuses unless the condition holds. */
export function require(condition: boolean, failure: FailureClass): void {
  if (!condition) throw new Refused(failure);
}
