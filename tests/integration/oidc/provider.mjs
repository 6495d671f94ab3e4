// A provider on loopback: node provider.mjs PORT AUDIENCE KEYS; anybody may log in as anybody.
import { Provider } from 'oidc-provider';
import { readFileSync } from 'node:fs';

const [port, audience, jwksFile] = process.argv.slice(2);
const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: JSON.parse(readFileSync(jwksFile, 'utf8')),
  clients: [
    {
      client_id: 'app', client_secret: 'app-secret', grant_types: ['authorization_code'], response_types: ['code'],
      redirect_uris: ['http://127.0.0.1:1/callback'],
    },
    {
      client_id: 'backend', client_secret: 'backend-secret', grant_types: ['client_credentials'], response_types: [],
      redirect_uris: [], scope: 'lists:read catalogue:read',
    },
  ],
  scopes: ['openid', 'lists:read', 'catalogue:read'],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => audience,
      useGrantedResource: () => true,
      getResourceServerInfo: (context, indicator) => ({
        scope: 'lists:read catalogue:read', audience: indicator, accessTokenFormat: 'jwt', accessTokenTTL: 60,
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
  pkce: { required: () => false },
  cookies: { keys: ['for tests'] },
  findAccount: (context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
});
provider.listen(Number(port), '127.0.0.1', () => console.log('listening'));
