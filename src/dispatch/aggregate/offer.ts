import type { JsonObject } from '../../call/json.ts';

/** What the aggregate offers, whatever its servers do: they come and go, and what nobody has is an empty list. */
export const CAPABILITIES: JsonObject = {
  tools: { listChanged: true }, prompts: { listChanged: true }, resources: { subscribe: true, listChanged: true }, completions: {}, logging: {},
};

/** The gateway's own words. None of the servers': models follow instructions, and one server's would speak about another's tools (prompt injection across servers). */
export const INSTRUCTIONS =
  'Several MCP servers behind one endpoint. Tools and prompts are named `server__name`, resources `sp.server+uri`: what stands in front says which server they belong to.';
