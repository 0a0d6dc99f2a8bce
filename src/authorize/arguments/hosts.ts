import { PolicyFault } from './finding.ts';
import { compileSegments } from './glob.ts';

const HOST = /^(?!-)[a-z0-9_-]{1,63}(?:\.(?!-)[a-z0-9_-]{1,63})*$/;

/** True for a DNS name in lower-case ASCII without a dot at the end. A name whose last label is a number is an address to some programs (WHATWG URL 3.5). */
export const isHostName = (text: string): boolean => text.length <= 253 && HOST.test(text) && !/(?:^|\.)(?:\d+|0x[0-9a-f]*)$/.test(text);

/** Compiles globs over host names: `*` within one label, `**` alone for one label or more. Names beyond ASCII are put into punycode. Throws PolicyFault. */
export function compileHosts(globs: readonly string[]): (host: string) => boolean {
  const tests = globs.map((glob) => {
    const ascii = glob.split('.').map(labelOf).join('.');
    if (!isHostName(ascii.replaceAll('**', 'x').replaceAll('*', 'x'))) throw new PolicyFault(`a host is a name such as \`api.example.com\` or \`*.example.com\`, without scheme, port, path or dot at the end; addresses go under \`cidr\``);
    return compileSegments(ascii, '.');
  });
  return (host) => tests.some((matches) => matches(host));
}

function labelOf(label: string): string {
  if (/^[\x21-\x7e]*$/.test(label)) return label.toLowerCase();
  const host = label.includes('*') ? null : URL.parse(`https://${label}.invalid/`)?.hostname;
  if (host?.endsWith('.invalid') !== true || host.split('.').length !== 2) throw new PolicyFault('a label of a host is not a valid international name; write it in punycode');
  return host.slice(0, -'.invalid'.length);
}
