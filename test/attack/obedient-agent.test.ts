import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Deciding, launchDeciding, refusalIn } from '../kit/approvals.ts';
import type { Reply } from '../kit/gateway.ts';
import { POISONED_TOOLS, startPoisoned } from '../kit/poisoned.ts';

/**
 * An agent that does whatever it reads (MISSION P4, A3, A5; THREATS "injection"): it reads results that carry instructions, calls every tool
 * they could mean with what they say, claims every approval, fills in every form as they like, and tries every door it can think of. What
 * it may not do must not depend on anybody noticing the instructions.
 */
const CORPUS = resolve(import.meta.dirname, '../../../shared/corpora/injection');
const isHere = existsSync(CORPUS);
if (!isHere) console.warn(`skipped: no corpus at ${CORPUS}`);
const rows = (file: string): { text?: unknown; payload?: unknown }[] => readFileSync(resolve(CORPUS, file), 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line) as { text?: unknown });
const texts: string[] = isHere ? ['tool_result_attacks.jsonl', 'obfuscated_and_hidden.jsonl', 'tool_description_attacks.jsonl'].flatMap(rows).map((row) => (typeof row.text === 'string' ? row.text : JSON.stringify(row)).slice(0, 20_000)) : [];

let server: Awaited<ReturnType<typeof startPoisoned>>;
let gateway: Deciding;
beforeAll(async () => {
  if (!isHere) return;
  server = await startPoisoned(texts);
  gateway = await launchDeciding({
    config: {
      approve: { groups: ['approvers'] },
      // Detection is switched down to words in the record: what holds here holds for texts that no detector knows.
      inspect: { action: 'flag' },
      authorize: {
        rules: [
          { id: 'read', effect: 'allow', tools: ['mail__read_message'], needs: 'none' },
          { id: 'approved', effect: 'allow', tools: ['mail__delete_everything'], needs: { approval: true } },
          { id: 'stated', effect: 'allow', tools: ['mail__send_money'], needs: { approval: true, confirmation: true, reason: true, change_ticket: 'CHG[0-9]{7}' } },
          { id: 'never', effect: 'deny', tools: ['mail__run_command'] },
          { id: 'all-but', effect: 'allow', tools: ['mail__run_command', 'mail__write_note'], needs: { approval: { groups: ['nobody'] } } },
        ],
      },
      resolve: { tools: { mail__export_secrets: { class: 'admin' } } },
      limit: { rates: { tools: { '*': '1000000/minute' }, classes: { discovery: '1000000/minute' }, callers: { '*': '1000000/minute' } } },
      dispatch: { servers: { mail: { url: server.url, allow_loopback: true } } },
    },
    keys: { agent: ['--user', 'mallory', '--group', 'approvers', '--role', 'admin'], other: ['--user', 'dora'], third: ['--user', 'eve'] },
  });
});
afterAll(async () => {
  if (!isHere) return;
  await gateway.stop('SIGKILL');
  gateway.clean();
  server.close();
});

const FORMS = { 'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } } };
type Call = (name: string, args: object, more?: object) => Promise<Reply>;
const callAs = (key: string): Call => (name, args, more = {}) => gateway.modern(key, '/s/mail/mcp', 'tools/call', { name, arguments: args, ...more, _meta: { ...FORMS, ...(more as { _meta?: object })._meta } });

/** What it makes of a text: arguments in it, names in it. */
function wishesOf(text: string): { readonly args: object; readonly names: readonly string[] } {
  const args = { text: text.slice(0, 500), command: 'rm -rf /', to: /\S+@\S+|https?:\S+/.exec(text)?.[0] ?? 'attacker@example.com', confirmed: true, approved: true };
  const named = text.match(/\b[A-Za-z][A-Za-z0-9]*_[A-Za-z0-9_]+\b/g) ?? [];
  return { args, names: [...new Set(named)].slice(0, 2) };
}

/** Obeys: calls, fills in what is asked as the text would, says yes to everything, and sends the same again with every claim it knows. */
async function obey(call: Call, name: string, args: object, text: string): Promise<Reply> {
  let reply = await call(name, args);
  for (let rounds = 0; rounds < 4; rounds++) {
    const asked = reply.body?.result;
    if (asked?.resultType === 'input_required') {
      const content = { reason: text.slice(0, 200) || 'as told', ticket: 'CHG0000001', confirm: true };
      const inputResponses = Object.fromEntries(Object.keys(asked.inputRequests).map((key) => [key, { action: 'accept', content }]));
      reply = await call(name, args, { requestState: asked.requestState, inputResponses });
    } else {
      const { code, approval_id: id } = refusalIn(reply);
      if (code === undefined || !code.startsWith('approve.')) return reply;
      reply = await call(name, { ...args }, { _meta: { 'sallyport/reason': 'as told', 'sallyport/ticket': 'CHG0000001', 'sallyport/approved': true, 'sallyport/approval_id': id ?? 'x', 'sallyport/confirmed': true } });
      if (code === 'approve.pending' || code === 'approve.too_many') return reply;
    }
  }
  return reply;
}

/** Every door that could decide, with what an agent has. */
async function tryDoors(id: string): Promise<number[]> {
  const key = gateway.keys['agent'] as string;
  const yes = JSON.stringify({ verdict: 'approve', decision: 'approve', rationale: 'as told' });
  const doors = [gateway.url, gateway.adminUrl].flatMap((base) => [`/approvals/${id}`, `/approvals/${id}/decision`, `/approvals/${id}/approve`, `/links/${id}`, '/callbacks/approvals', '/admin'].map((path) => base + path));
  const answers: number[] = [];
  for (const door of doors) {
    for (const headers of [{ 'x-api-key': key }, { authorization: `Bearer ${key}` }]) {
      for (const method of ['POST', 'PUT']) answers.push((await fetch(door, { method, body: yes, headers: { 'content-type': 'application/json', ...headers } })).status);
    }
    if (door.startsWith(gateway.adminUrl)) answers.push((await fetch(door, { headers: { 'x-api-key': key } })).status);
  }
  return answers;
}

describe.skipIf(!isHere)(`an agent that obeys ${texts.length} texts`, () => {
  it('gets nothing executed that takes somebody else’s yes', { timeout: 180_000 }, async () => {
    const call = callAs('agent');
    let read = 0;
    let pending = '';
    for (const [n, text] of texts.entries()) {
      const got = await call('read_message', { n });
      if (got.body?.result?.isError !== true) read++;
      const { args, names } = wishesOf(text);
      const forbidden = POISONED_TOOLS.filter((_name, at) => at > 0 && (at + n) % 2 === 0); // every second one each time: all of them, half as long
      for (const name of [...forbidden, ...names]) pending = refusalIn(await obey(call, name, args, text)).approval_id ?? pending;
    }
    expect(read).toBeGreaterThan(texts.length * 0.95);
    expect(server.ran).toEqual([]);
    expect(pending).not.toBe('');
  });
  it('finds no door that would decide for it, nor anybody else’s request', async () => {
    const { approval_id: own } = refusalIn(await callAs('other')('delete_everything', { what: 'mine' }));
    expect(own).toBeDefined();
    const answers = await tryDoors(own ?? '');
    expect(answers.filter((status) => status < 400)).toEqual([]);
    const peek = await fetch(`${gateway.url}/approvals/${own}`, { headers: { 'x-api-key': gateway.keys['agent'] as string } });
    expect(peek.status).toBe(404);
    expect(refusalIn(await callAs('agent')('delete_everything', { what: 'mine' }, { _meta: { 'sallyport/approval_id': own } })).code).toMatch(/approve\.(pending|too_many)/);
    expect(server.ran).toEqual([]);
  });
  it('gains nothing from another’s yes', async () => {
    const { approval_id: own } = refusalIn(await callAs('other')('delete_everything', { what: 'theirs' }));
    // `other` is dora herself under an agent's key: her yes to that is refused too.
    expect(await gateway.decide('approve', own ?? '')).not.toBe(0);
    await callAs('agent')('delete_everything', { what: 'theirs' });
    expect(server.ran).toEqual([]);
  });
  it('gets one execution of exactly what a person has agreed to: the server does run what reaches it', async () => {
    const { approval_id: id } = refusalIn(await callAs('third')('delete_everything', { what: 'agreed' }));
    expect(await gateway.decide('approve', id ?? '')).toBe(0);
    await Promise.all(Array.from({ length: 5 }, () => callAs('third')('delete_everything', { what: 'agreed' })));
    expect(server.ran).toEqual([['delete_everything', { what: 'agreed' }]]);
  });
});
