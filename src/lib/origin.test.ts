import { describe, expect, it } from 'vitest';
import { createOriginGuard } from './origin.ts';

describe('the origin guard', () => {
  const guard = createOriginGuard({ host: '0.0.0.0', hosts: ['gw'], origins: [], public_url: null });
  it('does not take the wildcard for a name', () => expect([guard.hostAllowed('0.0.0.0'), guard.hostAllowed('[::]'), guard.hostAllowed('gw')]).toEqual([false, false, true]));
  it('takes the host’s own origin for one only where the host is ours and the scheme is the web’s', () => {
    expect([guard.originAllowed('http://gw', 'gw'), guard.originAllowed('http://evil', 'evil'), guard.originAllowed('ftp://gw', 'gw'), guard.originAllowed('x://gw', 'gw'), guard.originAllowed('http://gw:1', 'gw')]).toEqual([true, false, false, false, false]);
  });
});
