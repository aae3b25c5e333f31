// One message key from the session's secret: paid twice per exchange on each side.
import { requestKey } from '@mte-relay/protocol';
import { bench, group, summary } from 'mitata';
import { header, random, suites } from './fixtures.ts';

const prepared: [string, () => unknown][] = [];
for (const suite of suites) {
  const secret = await suite.importExpandKey(random(32));
  prepared.push([`message key, ${suite.name}`, () => requestKey(secret, header)]);
}
group(() => {
  summary(() => {
    for (const [name, once] of prepared) bench(name, once);
  });
});
