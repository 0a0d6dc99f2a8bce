import { startFixture } from './fixture/http.ts';
import { injectCredential } from './conformance.ts';
import { launch } from './gateway.ts';

/** The fixture, the gateway in front of it with a policy that allows what the suite does, and a relay that adds the key. */
export async function startScene(): Promise<{ direct: string; through: string; close: () => Promise<void> }> {
  const fixture = await startFixture();
  const gateway = await launch({
    config: {
      dispatch: { servers: { fixture: { url: fixture.url, allow_loopback: true, client_capabilities: ['elicitation', 'sampling', 'roots'] } } },
      authorize: { rules: [{ id: 'suite', why: 'The conformance suite may do everything on the fixture', effect: 'allow', callers: ['suite'], servers: ['fixture'], classes: ['discovery', 'read', 'write', 'external', 'destructive', 'admin'], require_confirmation: false }] },
      limit: { rates: { tools: { '*': '100000/minute' }, callers: { '*': '100000/minute' } } },
    },
    keys: { suite: [] },
  });
  const relay = await injectCredential(`${gateway.url}/s/fixture/mcp`, 'x-api-key', gateway.keys['suite'] as string);
  return {
    direct: fixture.url, through: relay.url,
    close: async () => {
      relay.close();
      await gateway.stop('SIGKILL');
      gateway.clean();
      await fixture.close();
    },
  };
}
