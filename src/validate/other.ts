import type { Json, JsonObject } from '../call/json.ts';

/**
 * What must stand in the params of methods that are not tools, so that what policy judged (the name, the URI) is what the server will read.
 * null: well. Else what is wrong, in words of our own.
 */
export function misshapen(method: string, params: JsonObject): string | null {
  switch (method) {
    case 'prompts/get':
      return isText(params['name']) ? prompt(params['arguments']) : 'name: must be a string';
    case 'resources/read':
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      return isText(params['uri']) ? null : 'uri: must be a string';
    case 'completion/complete':
      return completion(params);
    case 'logging/setLevel':
      return isText(params['level']) ? null : 'level: must be a string';
    case 'tasks/get':
    case 'tasks/result':
    case 'tasks/update':
    case 'tasks/cancel':
      return isText(params['taskId']) ? null : 'taskId: must be a string';
    default:
      return null;
  }
}

/** Absent is for the server to refuse: which methods it has, and what they need, is its own to say (MCP error codes must come through). */
const isText = (value: Json | undefined): boolean => value === undefined || (typeof value === 'string' && value !== '');
const isObject = (value: Json | undefined): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value);

function prompt(given: Json | undefined): string | null {
  if (given === undefined) return null;
  return isObject(given) && Object.values(given).every((value) => typeof value === 'string') ? null : 'arguments: must be an object of strings';
}

function completion(params: JsonObject): string | null {
  const { ref, argument } = params;
  if (ref === undefined && argument === undefined) return null;
  if (!isObject(ref) || !isText(ref['type']) || (ref['type'] === 'ref/resource' ? !isText(ref['uri']) : !isText(ref['name']))) return 'ref: must be an object that names a prompt or a resource';
  if (argument === undefined) return null;
  return isObject(argument) && isText(argument['name']) && typeof argument['value'] === 'string' ? null : 'argument: must be an object with the strings name and value';
}
