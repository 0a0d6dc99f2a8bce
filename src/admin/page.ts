import { sha256Base64 } from './sign.ts';
import { screenOf } from './screen.ts';
import type { ApprovalView } from './view.ts';

const STYLE = 'body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem}pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f4f4f4;color:#111;padding:1rem}textarea{width:100%;box-sizing:border-box}button{font:inherit;padding:.4rem 1.2rem;margin:.6rem .6rem 0 0}';

/**
 * No script, nothing from elsewhere, in nobody's frame, forms to ourselves only (CWE-79, CWE-1021). The referrer stays at home: the URL is the
 * secret. `same-origin`, not `no-referrer`, which would take the Origin from our own form.
 */
export const pageHeaders: readonly string[] = [
  'content-type', 'text/html; charset=utf-8',
  'content-security-policy', `default-src 'none'; style-src 'sha256-${sha256Base64(STYLE)}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'`,
  'referrer-policy', 'same-origin', 'cross-origin-opener-policy', 'same-origin', 'cross-origin-resource-policy', 'same-origin', 'x-robots-tag', 'noindex',
];

/** What is asked, and a form that says yes or no in the name of `user`. `wrong`: what was missing in the form. */
export function askPage(view: ApprovalView, user: string, wrong: string | null): string {
  return page('Approval', `<h1>May this call run?</h1>
<p>You decide as <strong>${escaped(user)}</strong>. This link works once.</p>
<pre>${escaped(screenOf(view))}</pre>
${wrong === null ? '' : `<p role="alert"><strong>${escaped(wrong)}</strong></p>\n`}<form method="post">
<p><label for="rationale">Why (is recorded):</label><br><textarea id="rationale" name="rationale" rows="3" maxlength="1000" required></textarea></p>
<p><button name="verdict" value="approve">Approve, once</button><button name="verdict" value="deny">Deny</button></p>
</form>`);
}
/** A page without a form. */
export const sayPage = (title: string, text: string): string => page(title, `<h1>${escaped(title)}</h1>\n<p>${escaped(text)}</p>`);

const page = (title: string, body: string): string => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(title)} · Sallyport</title><style>${STYLE}</style></head>
<body>
${body}
</body></html>
`;
const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (c) => ENTITIES[c] ?? '');
