/** The demo's configuration file, written into its data folder so that people can read it, change it and take it as a start. */
export function demoConfig(port: number, everythingPort: number, workspace: string, memoryFile: string, bin: (name: string) => string): string {
  const q = JSON.stringify;
  return `# Written by \`sallyport demo\`. Copy it to begin your own; docs/reference/configuration.md explains every key.
receive:
  host: 127.0.0.1
  port: ${port}

dispatch:
  servers:
    files: # a sample workspace, over stdio
      command: [node, ${q(bin('server-filesystem'))}, ${q(workspace)}]
    everything: # the reference server, over stdio
      command: [node, ${q(bin('server-everything'))}, stdio]
    everything-http: # the same, over Streamable HTTP
      url: http://127.0.0.1:${everythingPort}/mcp
      allow_loopback: true
    memory: # a knowledge graph
      command: [node, ${q(bin('server-memory'))}]
      env: { MEMORY_FILE_PATH: ${q(memoryFile)} }

# What each tool may do at worst. A tool that is not named here counts as \`write\` at least.
resolve:
  tools:
    files__read_*: { class: read }
    files__list_*: { class: read }
    files__directory_tree: { class: read }
    files__search_files: { class: read }
    files__get_file_info: { class: read }
    files__create_directory: { class: write }
    files__write_file: { class: write }
    files__edit_file: { class: write }
    files__move_file: { class: destructive }
    memory__read_graph: { class: read }
    memory__search_nodes: { class: read }
    memory__open_nodes: { class: read }
    memory__create_*: { class: write }
    memory__add_*: { class: write }
    memory__delete_*: { class: destructive }
    everything__echo: { class: read }
    everything__get-*: { class: read }
    everything__trigger-long-running-operation: { class: read }
    everything-http__echo: { class: read }
    everything-http__get-*: { class: read }
    everything-http__trigger-long-running-operation: { class: read }

# Reading needs the scope <server>:read; writing needs <server>:write and, unless a rule says otherwise, a person's approval.
authorize:
  rules:
    - id: operator-writes
      why: The operator may change files and notes without asking each time.
      effect: allow
      scopes: ['files:write', 'memory:write']
      tools: ['files__*', 'memory__*']
      classes: [write]
      require_confirmation: false
    - id: operator-moves
      why: Moving a file takes it from where others look for it, so a second person looks first.
      effect: allow
      scopes: ['files:write']
      tools: [files__move_file]
      classes: [destructive]
      needs: { approval: { groups: [approvers] }, reason: true }
    - id: no-environment
      why: get-env shows a server's environment; nobody needs that.
      effect: deny
      tools: ['*__get-env']

# Where people decide, with credentials of their own: npx sallyport approvals list
admin:
  host: 127.0.0.1
  port: ${port + 2}

inspect:
  servers:
    files: { action: wrap } # file contents come from strangers: marked as data
`;
}
