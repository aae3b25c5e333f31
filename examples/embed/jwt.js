// A relay that lets only requests with a valid JSON Web Token through, and names their subject to the upstream.
import { createRelay } from '@mte-relay/server';
import { jwtVerify } from 'jose';

const key = new TextEncoder().encode(process.env.JWT_SECRET);

const relay = createRelay({
  hooks: {
    async onRequest(request) {
      const token = request.header('authorization')?.replace(/^Bearer /, '');
      const verified = token && (await jwtVerify(token, key, { algorithms: ['HS256'] }).catch(() => undefined));
      if (!verified)
        return { status: 401, headers: { 'www-authenticate': 'Bearer' }, body: 'a valid token is needed\n' };
      request.setHeader('x-user', String(verified.payload.sub));
    },
    onResponse(response) {
      response.setHeader('x-checked-by', 'relay');
    },
  },
});

console.log(`ready ${await relay.listen()} ${relay.pin}`);
process.once('SIGTERM', () => relay.close());
