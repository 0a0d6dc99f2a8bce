import { tableOf } from '../../config/index.ts';
import { ruleFile } from './assemble.ts';
import { testFile } from './test-file.ts';

const HEAD = `# Policy files

<!-- Generated from src/authorize/rule-config.ts and src/authorize/policy/test-file.ts by \`sallyport docs policy-files\`. -->

Rules may stand in the configuration (\`authorize.rules\`), in a folder of their own, or in both:

\`\`\`yaml
authorize:
  policy: ./policy # relative to this file
\`\`\`

- \`*.yaml\` and \`*.yml\` hold \`rules:\`, one file for each concern. \`*.tests.yaml\` holds \`tests:\`.
- Sub-folders may be one level deep. Hidden files, and files of other kinds, are not read. Links that lead out of the folder are faults.
- At most 200 files, 1 MiB each, 4 Mi characters in all. An id stands for one rule in all files and the configuration.

## An example

\`policy/payments.yaml\`:

\`\`\`yaml
rules:
  - id: finance-pays
    why: Finance pays known vendors; two of the treasury say yes
    effect: allow
    groups: [finance]
    tools: [bank__pay]
    environments: [production]
    needs: { approval: { groups: [treasury], quorum: 2 }, reason: true }
    limits: { rate: 5/hour }
  - id: not-at-night
    why: Nobody watches
    effect: deny
    servers: [bank]
    classes: [write]
    during: { from: "20:00", to: "07:00", timezone: Europe/Berlin }
\`\`\`

\`policy/payments.tests.yaml\`:

\`\`\`yaml
tests:
  - name: finance may pay, and must ask
    caller: { name: ada, groups: [finance] }
    call: { server: bank, tool: pay, class: write, arguments: { amount: 250 }, environment: production, at: "2026-03-02T10:00:00+01:00" }
    expect: { effect: allow, rules: [finance-pays], needs: [approval, reason], groups: [treasury], quorum: 2, rate: 5/hour }
  - name: others may not, and nobody may at night
    caller: { name: ada, groups: [finance] }
    call: { server: bank, tool: pay, class: write, environment: production }
    expect: deny
    cases:
      - { name: another group, caller: { groups: [sales] } }
      - { name: another environment, call: { environment: staging } }
      - { name: at night, call: { at: "2026-03-02T23:00:00+01:00" }, expect: { effect: deny, rules: [not-at-night], code: authorize.rule } }
\`\`\`

\`sallyport policy test ./policy\` runs them with the engine that decides calls. Exit code 0: all pass; 1: one fails, or a rule decides in no test
that passes; 2: a file has faults. A test that fails is shown with its place, what was expected, what came, which rules decided and which nearly did:

\`\`\`text
policy/payments.tests.yaml:11 FAIL others may not, and nobody may at night: another group
  expected: effect allow
  got:      effect deny
  decided:  default:write
  nearly:   rule:finance-pays (allow), but for groups
  nearly:   rule:not-at-night (deny), but for during
\`\`\`

What a test leaves out is not there: a caller without \`groups\` is in none. What \`expect\` leaves out is not looked at, and what it names must be so
exactly. A test that names no time is judged on Wednesday, 2026-01-07T12:00:00Z, whatever the day. Each rule must decide in at least one test that
passes, deny rules too: one that never bites is a hole. Rules on trial (\`shadow: true\`) are not asked for. \`authorize.require_tests: false\` lets
untested rules in; a test that fails stops a policy either way.

## Going live

- **Start**: a folder that is missing or cannot be read, a fault, a test that fails: the gateway does not start (exit code 2).
- **While it runs**: the folder is looked at every second, and at once on SIGHUP. When nothing has changed for 300 ms, all of it is read, checked and
  tested, recorded (\`policy.loaded\`), and swapped in as a whole. Each call is judged by one version; calls that were judged before keep their decision.
- **Otherwise** the version in force stays. The log and the record (\`policy.rejected\`) say why, once for each content, and \`/ready\` has the note
  \`policy: new version rejected\`.

The version in records is a hash of what the rules and the section \`authorize\` say; comments, tests and the split into files do not change it.

## Versions

The last 100 versions that went live are kept in the store with all their files.

\`\`\`text
npx sallyport policy list
npx sallyport policy rollback 3f1b9c0d11a2b3c4
npx sallyport policy rollback --release
\`\`\`

\`rollback\` pins a kept version: the running gateway takes it up within a second (\`policy.rolled_back\`), and every start uses it, whatever the folder holds,
until \`--release\`. Its own tests run again first, in the command and in the gateway. \`/ready\` has the note \`policy: pinned\` meanwhile. A version holds the section
\`authorize\` too, as it was. After \`--release\` the folder is loaded as it is then; while it has faults, what runs goes on.
`;

/** docs/reference/policy-files.md. */
export const policyFilesPage = (): string =>
  [HEAD, '## Keys of a file of rules', '', ...tableOf(ruleFile), '## Keys of a file of tests', '', ...tableOf(testFile)].join('\n');
