import type { Answer, Journaled } from '../../call/call.ts';
import { namespacedUri } from '../../call/aggregate-names.ts';
import { isObject, type Json, type JsonObject } from '../../call/json.ts';
import { applyEdits, type Edit } from '../../lib/json-edit.ts';
import { elementsOf, type Member, membersOf } from '../../lib/json-spans.ts';
import { eventBlock } from '../../lib/sse.ts';
import { go, type Done } from '../room.ts';
import { PAGE_KEYS, prefixed, withoutPages } from './members.ts';

/**
 * A server's answer as the aggregate's: the URIs by which it hands out resources get the server's prefix, so that the client can read what
 * they name, and what binds things to its pages is taken out. Only where the protocol says that a URI stands; texts, structured
 * content and everything else keep their bytes. A server cannot point at another's resources: its links always lead back to itself.
 */
function aggregated(answer: Answer, call: Journaled): Answer {
  const { server } = call.target;
  if (server === null || answer.message === null || !isConcerned(answer.message, call.target.method)) return answer;
  const text = answer.bytes.toString('utf8');
  const edits = editsOf(text, namespacedUri(server, ''));
  if (edits.length === 0) return answer;
  const bytes = Buffer.from(applyEdits(text, edits));
  return { ...answer, bytes, message: JSON.parse(bytes.toString('utf8')) as JsonObject, event: answer.event === null ? null : eventBlock(bytes) }; // parse edge: text that was parsed before
}

/** The own lane, its answers as the aggregate's where the call came through `/mcp` or `POST /tool`. */
export const fromAggregate = (lane: (call: Journaled) => Done | Promise<Done>) => (call: Journaled): Done | Promise<Done> => {
  const running = lane(call);
  if (call.server !== null) return running;
  const finish = (done: Done): Done => ('stop' in done ? done : go(aggregated(done.go.answer, call)));
  return running instanceof Promise ? running.then(finish) : finish(running);
};

/** Most answers hold plain text: they are not read again. */
function isConcerned(message: JsonObject, method: string): boolean {
  const { result, error } = message;
  if (isObject(error)) return method === 'resources/read' && isObject(error['data']) && error['data']['uri'] !== undefined;
  if (!isObject(result)) return false;
  if (result['contents'] !== undefined || result['messages'] !== undefined || hasPages(result)) return true;
  const { content } = result;
  return Array.isArray(content) && content.some((item: Json) => isObject(item) && (item['type'] === 'resource_link' || item['type'] === 'resource' || hasPages(item)));
}
const hasPages = (value: JsonObject): boolean => isObject(value['_meta']) && PAGE_KEYS.some((key) => isObject(value['_meta']) && Object.hasOwn(value['_meta'], key));

function editsOf(text: string, prefix: string): Edit[] {
  const top = membersOf(text);
  const error = top.find((m) => m.name === 'error');
  if (error !== undefined) {
    const data = membersOf(text, error.start).find((m) => m.name === 'data');
    return data === undefined ? [] : uriOf(text, membersOf(text, data.start), prefix); // resource not found: which
  }
  const result = top.find((m) => m.name === 'result');
  const members = result === undefined ? [] : membersOf(text, result.start);
  return members.flatMap((member) => {
    switch (member.name) {
      case 'content': return elementsOf(text, member.start).flatMap(({ start }) => inItem(text, start, prefix));
      case 'contents': return elementsOf(text, member.start).flatMap(({ start }) => inContents(text, start, prefix));
      case 'messages': return elementsOf(text, member.start).flatMap(({ start }) => inMessage(text, start, prefix));
      case '_meta': return withoutPages(text, [member]);
      default: return [];
    }
  });
}

/** A message of a prompt: its content is one item, or several. */
function inMessage(text: string, at: number, prefix: string): Edit[] {
  const content = membersOf(text, at).find((m) => m.name === 'content');
  if (content === undefined) return [];
  return text[content.start] === '[' ? elementsOf(text, content.start).flatMap(({ start }) => inItem(text, start, prefix)) : inItem(text, content.start, prefix);
}

/** An item of content (MCP 2026-07-28 ContentBlock). */
function inItem(text: string, at: number, prefix: string): Edit[] {
  const members = membersOf(text, at);
  const type = members.find((m) => m.name === 'type');
  const kind: unknown = type === undefined ? null : JSON.parse(text.slice(type.start, type.end)); // however it is spelled
  if (kind === 'resource_link') return [...uriOf(text, members, prefix), ...withoutPages(text, members)];
  const resource = kind === 'resource' ? members.find((m) => m.name === 'resource') : undefined;
  return [...(resource === undefined ? [] : inContents(text, resource.start, prefix)), ...withoutPages(text, members)];
}

/** The contents of a resource. */
function inContents(text: string, at: number, prefix: string): Edit[] {
  const members = membersOf(text, at);
  return [...uriOf(text, members, prefix), ...withoutPages(text, members)];
}

function uriOf(text: string, members: readonly Member[], prefix: string): Edit[] {
  const uri = members.find((m) => m.name === 'uri');
  return uri === undefined || text[uri.start] !== '"' ? [] : [prefixed(uri, prefix)];
}
