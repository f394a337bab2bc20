// An OpenID Connect provider for tests, on this machine: oauth2-mock-server, which can be told to lie.
// node provider.js FOLDER NOW - FOLDER has its node_modules, NOW is the tests' time in seconds. Prints its
// issuer; then each line of input says what the next token is to be like: "honest SUBJECT" or a lie.
const { join } = require('node:path');
const { createHmac } = require('node:crypto');
const { createInterface } = require('node:readline');

const [folder, now] = [process.argv[2], Number(process.argv[3])];
const { OAuth2Server } = require(join(folder, 'node_modules', 'oauth2-mock-server'));

const base64 = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
let [word, subject] = ['honest', 'alice'];

async function main() {
  const server = new OAuth2Server();
  await server.issuer.keys.generate('RS256');
  await server.start(0, '127.0.0.1');
  server.issuer.url = `http://127.0.0.1:${server.address().port}`;
  let last;
  server.service.on('beforeTokenSigning', (token) => {
    const lies = {
      audience: { aud: 'somebody-else' },
      issuer: { iss: 'http://127.0.0.1:1' },
      nonce: { nonce: 'of-another-sign-in' },
      expired: { exp: now - 1 },
    };
    Object.assign(token.payload, { sub: subject, iat: now, exp: now + 86400 }, lies[word]);
    last = token.payload;
  });
  server.service.on('beforeResponse', (response) => {
    const unsigned = (alg) => `${base64({ alg, typ: 'JWT' })}.${base64(last)}`;
    if (word === 'none') response.body.id_token = `${unsigned('none')}.`;
    if (word === 'shared') {
      const text = unsigned('HS256');
      const tag = createHmac('sha256', 'hunter2').update(text).digest('base64url');
      response.body.id_token = `${text}.${tag}`;
    }
    if (word === 'forged') {
      const [head, , signature] = response.body.id_token.split('.');
      response.body.id_token = `${head}.${base64({ ...last, sub: 'mallory' })}.${signature}`;
    }
    if (word === 'missing') delete response.body.id_token;
  });
  console.log(server.issuer.url);
  createInterface({ input: process.stdin })
    .on('line', (line) => {
      [word, subject = 'alice'] = line.split(' ');
      console.log('so be it');
    })
    .on('close', () => process.exit(0));
}

main();
