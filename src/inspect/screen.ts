import type { Json, JsonObject } from '../call/json.ts';
import type { Target } from '../call/target.ts';
import { dataOf, withData } from '../lib/sse.ts';
import { changeStrings } from './contents.ts';
import { isObject, textsOf } from './gather.ts';
import { strip } from './hidden.ts';
import { type Compiled, INSTRUCTIONS } from './compiled.ts';

/**
 * Judges what a server sends before its answer: progress, log lines, requests to the client. It reaches the model's side as the
 * answer does, so it may not be an unguarded way around it. null: the event is dropped (too large, refused, or not to be judged).
 */
export function screenEvent(block: Buffer, target: Target, compiled: Compiled): Buffer | null {
  try {
    return judgeEvent(block, target, compiled);
  } catch (thrown) {
    compiled.log.warn('an event could not be inspected and was dropped', { target: target.id, fault: thrown instanceof Error ? thrown.name : 'unknown' });
    return null;
  }
}

function judgeEvent(block: Buffer, target: Target, compiled: Compiled): Buffer | null {
  const settings = compiled.settings(target);
  if (block.length > settings.maxBytes) {
    compiled.log.warn('an event larger than inspect.max_bytes was dropped', { target: target.id, bytes: block.length });
    return null;
  }
  if ((compiled.suspect(block) & INSTRUCTIONS) === 0) return block;
  const text = block.toString('utf8');
  const data = dataOf(text);
  if (data === null || data === '') return block;
  const detection = compiled.detector.read(messagesIn(data).flatMap(textsOf));
  if (detection.total >= settings.threshold) {
    compiled.log.warn('an event carries text that looks like instructions', { target: target.id, findings: detection.rules, action: settings.action });
    if (settings.action === 'refuse') return null;
  }
  if (settings.action !== 'wrap') return block;
  const changed = changeStrings(data, strip);
  return changed === data ? block : Buffer.from(withData(text, changed));
}

/** One message or, before 2025-06-18, a batch. */
function messagesIn(data: string): JsonObject[] {
  const parsed = JSON.parse(data) as Json;
  const messages = Array.isArray(parsed) ? (parsed as readonly Json[]) : [parsed];
  return messages.filter(isObject);
}
