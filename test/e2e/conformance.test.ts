import { describe, expect, it } from 'vitest';
import { count, differences, REVISIONS, runSuite } from '../kit/conformance.ts';
import { startScene } from '../kit/conformance-gateway.ts';

/** What the suite says about the fixture itself: it does not offer tasks, an extension the second set asks for. */
const DIRECT = { '2025-11-25': { passed: 84, failed: 0 }, '2026-07-28': { passed: 164, failed: 30 } };

describe.concurrent('the official conformance suite', () => {
  it.each(REVISIONS)('%s: check by check the same through the gateway as directly', async (revision) => {
    const scene = await startScene();
    try {
      const direct = await runSuite(scene.direct, revision);
      const failing = [...direct].filter(([, statuses]) => statuses.includes('FAILURE')).map(([check]) => check);
      expect({ passed: count(direct, 'SUCCESS'), failed: count(direct, 'FAILURE') }).toEqual(DIRECT[revision]);
      expect(failing.filter((check) => !check.startsWith('tasks-'))).toEqual([]);
      expect(differences(direct, await runSuite(scene.through, revision))).toEqual([]);
    } finally {
      await scene.close();
    }
  });
});
