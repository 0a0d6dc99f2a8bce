/** Words that manuals, templates and tutorials put where a secret belongs; compared after letters are lowered and `-_. ` dropped. */
export const SAMPLE_WORDS: ReadonlySet<string> = new Set([
  'changeme', 'changeit', 'changethis', 'replaceme', 'replacethis', 'secret', 'mysecret', 'supersecret', 'password', 'passw0rd', 'p@ssw0rd', 'admin', 'root',
  'default', 'test', 'testing', 'testkey', 'example', 'examplekey', 'sample', 'dummy', 'placeholder', 'todo', 'fixme', 'none', 'null', 'undefined', 'token', 'key',
  'apikey', 'myapikey', 'mykey', 'mytoken', 'yourkey', 'yourapikey', 'yourtoken', 'yoursecret', 'yourpassword', 'letmein', 'qwerty', '123456', '12345678',
  '123456789', '1234567890', 'abc123', 'foobar', 'demo', 'insecure', 'unsafe', 'redacted', 'keyhere', 'secrethere', 'tokenhere', 'inserthere',
]);
/** Shapes of a template that nobody filled in: `your-…-here`, `<token>`, `${TOKEN}`, `{{token}}`, `xxxx`, `****`, `...`. */
const UNFILLED = /^(?:(?:insert|put|enter|your)[\w .-]{0,60}(?:here|key|token|secret|password)|<[^>]*>|\$\{[^}]*\}|\$[A-Z_][A-Z0-9_]*|\{\{.*\}\}|(?:sk|pk|ghp)?[-_]?(.)\1{3,}|\.{3})$/is;

/** True for a value that everybody knows, and therefore guards nothing (CWE-1392, use of default credentials). */
export function isSample(value: string): boolean {
  return SAMPLE_WORDS.has(value.toLowerCase().replaceAll(/[-_. ]/g, '')) || UNFILLED.test(value);
}
