/** One known form of a secret. */
export interface SecretRule {
  /** Printed in place of the secret: `[redacted:<kind>]`. */
  readonly kind: string;
  /** One of these, in any case, is in every match: the prefilter. */
  readonly keys: readonly string[];
  /** Global. Its first group, if it has one, is the secret; else the whole match. No quantifier inside a quantifier (CWE-1333). */
  readonly pattern: RegExp;
  /** Sorts out samples and look-alikes. */
  readonly judge: (secret: string, match: RegExpExecArray) => boolean;
}

/** Not the sort of thing people put in place of a secret: a row of x, stars, one letter over and over. */
export function isVaried(secret: string): boolean {
  if (/[xX]{5}|[.*]{3}|0{12}/.test(secret)) return false;
  if (secret.length >= 20 && new Set(secret.slice(-16)).size < 4) return false;
  return new Set(secret.slice(0, 80)).size >= Math.min(8, Math.ceil(secret.length / 3));
}
const anything = (): boolean => true;
const hasDigits = (secret: string): boolean => isVaried(secret) && (secret.match(/[0-9]/g)?.length ?? 0) >= 3;
const isMixed = (secret: string): boolean => isVaried(secret) && /[0-9]/.test(secret) && /[A-Z]/.test(secret) && /[a-z]/.test(secret);

type Row = readonly [kind: string, keys: string, pattern: RegExp, judge?: SecretRule['judge']];

/** The prefix says whose it is. `(?<![A-Za-z0-9])` keeps out the middle of other words. */
const ROWS: readonly Row[] = [
  ['sallyport', 'sp_', /(?<![A-Za-z0-9_])sp_[A-Za-z0-9_-]{20,200}/g, isMixed],
  ['sallyport_admin', 'spa_', /(?<![A-Za-z0-9_])spa_[A-Za-z0-9_-]{20,200}/g, isMixed],
  ['aws', 'akia asia abia acca', /(?<![A-Za-z0-9])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])/g, (secret) => isVaried(secret) && !secret.endsWith('EXAMPLE')],
  ['aws_bedrock', 'absk bedrock-api-key', /(?<![A-Za-z0-9])(?:ABSK[A-Za-z0-9+/]{100,500}={0,2}|bedrock-api-key-[A-Za-z0-9+/=_-]{20,4000})/g],
  ['google', 'aiza gocspx- ya29.', /(?<![A-Za-z0-9])(?:AIza[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])|GOCSPX-[A-Za-z0-9_-]{28}|ya29\.[A-Za-z0-9_-]{20,2000})/g, (secret) => isVaried(secret) && !/abcdefgh/i.test(secret)],
  ['github', 'ghp_ gho_ ghu_ ghs_ ghr_ github_pat_', /(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{36,255})/g],
  ['gitlab', 'glpat- glptt- glcbt- gldt- glrt- glft- glimt- glagent- gloas- glsoat- glffct- glrtr- gr1348941 _gitlab_session', /(?<![A-Za-z0-9])(?:gl(?:pat|ptt|cbt|dt|rt|ft|imt|agent|oas|soat|ffct|rtr)-[A-Za-z0-9_.-]{20,200}|GR1348941[A-Za-z0-9_-]{20}|_gitlab_session=[A-Za-z0-9]{32})/g],
  ['slack', 'xoxa xoxb xoxe xoxo xoxp xoxr xoxs xapp-', /(?<![A-Za-z0-9])(?:xox[abeoprs](?:\.xox[a-z])?-[A-Za-z0-9-]{10,255}|xapp-[0-9]-[A-Za-z0-9]{8,20}-[0-9]{8,20}-?[A-Za-z0-9]{20,100})/g, hasDigits],
  ['slack_webhook', 'hooks.slack.com', /hooks\.slack\.com\/(?:services|workflows|triggers)\/([A-Za-z0-9+/]{30,100})/g],
  ['teams_webhook', 'webhook.office.com', /webhook\.office\.com\/webhookb2\/([A-Za-z0-9@/_-]{60,300})/g],
  ['discord_webhook', '/api/webhooks/', /discord(?:app)?\.com\/api\/webhooks\/([0-9]{10,24}\/[A-Za-z0-9_-]{60,100})/g],
  ['telegram', ':aa', /(?<![0-9A-Za-z])[0-9]{8,10}:AA[A-Za-z0-9_-]{33}(?![A-Za-z0-9_-])/g],
  ['stripe', 'sk_live sk_test sk_prod rk_live rk_test rk_prod whsec_', /(?<![A-Za-z0-9])(?:[sr]k_(?:live|test|prod)_[A-Za-z0-9]{20,255}|whsec_[A-Za-z0-9+/=]{32,100})/g],
  ['anthropic', 'sk-ant-', /(?<![A-Za-z0-9])sk-ant-[a-z]{3,6}[0-9]{2}-[A-Za-z0-9_-]{80,200}/g],
  ['openai', 'sk-proj- sk-svcacct- sk-admin- sk-none- t3blbkfj sk-or-v1-', /(?<![A-Za-z0-9])(?:sk-(?:proj|svcacct|admin|None|or-v1)-[A-Za-z0-9_-]{40,255}|sk-[A-Za-z0-9_-]{20,80}T3BlbkFJ[A-Za-z0-9_-]{20,80})/g],
  ['groq', 'gsk_', /(?<![A-Za-z0-9])gsk_[A-Za-z0-9]{52}(?![A-Za-z0-9_-])/g],
  ['ai_vendor', 'pplx- xai- r8_ hf_', /(?<![A-Za-z0-9])(?:pplx-[A-Za-z0-9]{40,60}|xai-[A-Za-z0-9]{70,90}|r8_[A-Za-z0-9]{37}|hf_[A-Za-z]{34})(?![A-Za-z0-9])/g],
  ['npm', 'npm_', /(?<![A-Za-z0-9])npm_[A-Za-z0-9]{36}(?![A-Za-z0-9])/g],
  ['pypi', 'pypi-age', /(?<![A-Za-z0-9])pypi-AgE[A-Za-z0-9_-]{50,1000}/g],
  ['rubygems', 'rubygems_', /(?<![A-Za-z0-9])rubygems_[a-f0-9]{48}/g],
  ['clojars', 'clojars_', /(?<![A-Za-z0-9])CLOJARS_[a-z0-9]{60}/gi],
  ['docker', 'dckr_', /(?<![A-Za-z0-9])dckr_(?:pat|oat)_[A-Za-z0-9_-]{20,100}/g],
  ['vercel', 'vcp_ vci_ vca_ vcr_ vck_', /(?<![A-Za-z0-9])vc[piark]_[A-Za-z0-9]{24,100}/g],
  ['figma', 'figd_', /(?<![A-Za-z0-9])figd_[A-Za-z0-9_-]{40,100}/g],
  ['vault', 'hvs. hvb. hvr. vault', /(?<![A-Za-z0-9.])(?:hv[sbr]\.[A-Za-z0-9_-]{24,400}|s\.[A-Za-z0-9]{24}(?![A-Za-z0-9.]))/g, isMixedOrLong],
  ['terraform', '.atlasv1.', /[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_-]{60,80}/gi],
  ['databricks', 'dapi', /(?<![A-Za-z0-9])dapi[a-f0-9]{32}(?:-[0-9])?(?![A-Za-z0-9])/gi],
  ['digitalocean', 'doo_v1_ dop_v1_ dor_v1_', /(?<![A-Za-z0-9])do[opr]_v1_[a-f0-9]{64}/gi],
  ['doppler', 'dp.pt. dp.st. dp.ct. dp.sa. dp.scim. dp.audit.', /(?<![A-Za-z0-9])dp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9._-]{40,100}/gi],
  ['dynatrace', 'dt0', /(?<![A-Za-z0-9])dt0[a-z][0-9]{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}/gi],
  ['flyio', 'fo1_ fm1 fm2_', /(?<![A-Za-z0-9_-])(?:fo1_[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])|fm[12][ar]?_[A-Za-z0-9+/=_-]{80,2000})/g],
  ['harness', 'pat. sat.', /(?<![A-Za-z0-9])[ps]at\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9]{20,24}\.[A-Za-z0-9]{20}/gi],
  ['heroku', 'hrku-', /(?<![A-Za-z0-9])HRKU-[A-Za-z0-9_-]{50,80}/g],
  ['linear', 'lin_api_ lin_oauth_', /(?<![A-Za-z0-9])lin_(?:api|oauth)_[A-Za-z0-9]{32,80}/g],
  ['newrelic', 'nrak- nrii- nrjs-', /(?<![A-Za-z0-9])NR(?:AK|II|JS)-[A-Za-z0-9_-]{19,40}/gi],
  ['notion', 'ntn_ secret_', /(?<![A-Za-z0-9])(?:ntn_[0-9]{11}[A-Za-z0-9]{35}|secret_[A-Za-z0-9]{43})(?![A-Za-z0-9])/g],
  ['planetscale', 'pscale_', /(?<![A-Za-z0-9])pscale_(?:pw|tkn|oauth)_[A-Za-z0-9=._-]{32,64}/gi],
  ['postman', 'pmak-', /(?<![A-Za-z0-9])PMAK-[a-f0-9]{24}-[a-f0-9]{34}/gi],
  ['pulumi', 'pul-', /(?<![A-Za-z0-9])pul-[a-f0-9]{40}/g],
  ['sendgrid', 'sg.', /(?<![A-Za-z0-9])SG\.[A-Za-z0-9_=.-]{60,70}/gi],
  ['mail_vendor', 'xkeysib- mailgun pubkey- mailchimp', /(?<![A-Za-z0-9])(?:xkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}|(?:pub)?key-[a-f0-9]{32}|[a-f0-9]{32}-us[0-9]{1,2})(?![A-Za-z0-9])/g],
  ['sentry', 'sntrys_ sntryu_', /(?<![A-Za-z0-9])(?:sntrys_eyJ[A-Za-z0-9+/=_-]{60,400}|sntryu_[a-f0-9]{64})(?![A-Za-z0-9])/g],
  ['shopify', 'shpat_ shpca_ shppa_ shpss_', /(?<![A-Za-z0-9])shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}/g],
  ['square', 'eaaa sq0', /(?<![A-Za-z0-9])(?:EAAA[A-Za-z0-9_-]{22,64}|sq0(?:atp|csp|idp)-[A-Za-z0-9_-]{22,64})/g, hasMixedCase],
  ['facebook', 'eaam eaac', /(?<![A-Za-z0-9])EAA[MC][A-Za-z0-9]{100,300}/g],
  ['tailscale', 'tskey-', /(?<![A-Za-z0-9])tskey-[a-z]{3,12}-[A-Za-z0-9]{8,20}-[A-Za-z0-9]{16,64}/g, anything],
  ['twilio', 'twilio', /(?<![A-Za-z0-9])SK[a-f0-9]{32}(?![A-Za-z0-9])/g],
  ['age', 'age-secret-key-1', /(?<![A-Za-z0-9])AGE-SECRET-KEY-1[A-Z0-9]{58}/g, anything],
  ['onepassword', 'ops_eyj a3-', /(?<![A-Za-z0-9])(?:ops_eyJ[A-Za-z0-9+/=]{100,2000}|A3-[A-Z0-9]{6}-[A-Z0-9]{5,6}-?[A-Z0-9]{5,6}-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5})/g],
  ['azure', 'q~ accountkey= sharedaccesskey= sig=', /(?<![A-Za-z0-9_~.])[A-Za-z0-9_~.]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}(?![A-Za-z0-9_~-])|(?:AccountKey|SharedAccessKey)=[A-Za-z0-9+/]{40,90}={0,2}|[?&]sig=[A-Za-z0-9%+/=_-]{20,200}/gi],
  ['grafana', 'glc_ glsa_ eyjrijoi', /(?<![A-Za-z0-9])(?:gl(?:c|sa)_[A-Za-z0-9+/=_]{32,400}|eyJrIjoi[A-Za-z0-9+/=]{40,400})/g],
  ['cloud_vendor', '4b1d v1.0- dnkey- duffel_ ezak eztk flwseck flwpubk fio-u- ico- s-s4t2 rdme_ tk-us- sm_pat_ sm_aat_ sm_sat_ shippo_ squ_ sqp_ sqa_ sgp_ pnu_ sha256~ akcp octopus',
    /(?<![A-Za-z0-9.])(?:4b1d[A-Za-z0-9]{38}|v1\.0-[a-f0-9]{24}-[a-f0-9]{146}|dnkey-[A-Za-z0-9=_-]{26}-[A-Za-z0-9=_-]{52}|duffel_(?:test|live)_[A-Za-z0-9=_-]{43}|EZ[AT]K[A-Za-z0-9]{54}|FLW(?:SECK|PUBK)_TEST-[a-h0-9]{12,32}(?:-X)?|fio-u-[A-Za-z0-9=_-]{64}|ico-[A-Za-z0-9]{32}|s-s4t2(?:ud|af)-[a-f0-9]{64}|rdme_[a-z0-9]{70}|tk-us-[A-Za-z0-9_-]{48}|sm_(?:pat|aat|sat)_[A-Za-z0-9]{16}|shippo_(?:live|test)_[a-f0-9]{40}|sq[upa]_[A-Za-z0-9]{40}|sgp_(?:(?:local|[a-fA-F0-9]{16})_)?[a-fA-F0-9]{40}|pnu_[A-Za-z0-9]{36}|sha256~[A-Za-z0-9_-]{43}|AKCp[A-Za-z0-9]{69}|API-[A-Z0-9]{26})(?![A-Za-z0-9])/g],
  ['jwt', 'eyj ewo', /(?<![A-Za-z0-9_-])e[yw][A-Za-z0-9_-]{10,4000}\.e[yw][A-Za-z0-9_-]{8,8000}\.[A-Za-z0-9_-]{0,2000}/g, anything],
  ['private_key', 'private key', /-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----((?:[A-Za-z0-9+/=\s:,.-]|\\[nr]){16,20000})/g, (body) => /[A-Za-z0-9+/=]{24}/.test(body)],
  ['url_credentials', '://', /:\/\/[^\s:/@"'`<>]{0,64}:([^\s/"'`<>\\]{3,128})@[A-Za-z0-9[]/g, (secret, match) => isPassword(secret) && !match[0].startsWith(`://${secret}:`)],
  ['curl_user', 'curl', /(?:\s-u|--user)[\s=]{1,4}["']?([^\s"':\\]{1,80}["']?:["']?[^\s"'\\]{3,80})/g, (pair) => isLogin(pair)],
  ['authorization', 'authorization private-token x-auth-token x-api-key', /(?:authorization|private-token|x-auth-token|x-api-key)["'\\]{0,3}\s{0,3}[:=]\s{0,3}["'\\]{0,3}(?:(?:bearer|basic|token|apikey|digest)\s{1,3})?([A-Za-z0-9._~+/=:-]{8,4000})/gi, (secret) => isVaried(secret) && (/[0-9]/.test(secret) || secret.length >= 16) && !isWord(secret)],
  ['cookie', 'cookie', /cookie["'\\]{0,3}\s{0,3}:\s{0,3}["'\\]{0,3}([A-Za-z0-9_.-]{1,60}=[^\s"'\\][^\r\n"'\\]{8,4000})/gi, (pairs) => pairs.split(/[;=]/).some((part) => part.length >= 12 && isVaried(part) && /[0-9]/.test(part) && !/[ :,]/.test(part.trim()))],
];

export const SECRET_RULES: readonly SecretRule[] = ROWS.map(([kind, keys, pattern, judge]) => ({
  kind, keys: kind === 'private_key' ? [keys] : keys.split(' '), pattern, judge: judge ?? isVaried,
}));

function isMixedOrLong(secret: string): boolean {
  return secret.length > 40 ? isVaried(secret) : isMixed(secret);
}
function hasMixedCase(secret: string): boolean {
  return isVaried(secret) && /[a-z]/.test(secret.slice(4)) && /[0-9A-Z]/.test(secret.slice(4));
}
/** A name of a thing or a word in place of a value. */
export function isWord(value: string): boolean {
  return /^[A-Za-z]{1,20}(?:[._-][A-Za-z]{1,20}){0,8}$/.test(value) && !/[a-z][A-Z]{1,3}[a-z][A-Z]/.test(value);
}
export function isTemplate(value: string): boolean {
  return /\$\{|\{\{|%\(|%s|^\$|^%|^<|^\[|^\*+$|^\{$|^x+$|^y+$/i.test(value) || /your|example|placeholder|redacted|changeme|dummy|sample|password$|^pass$|^pwd$|^secret$|^test$|^user$/i.test(value);
}
/** For values whose place alone says that they are passwords. */
export const isPassword = (value: string): boolean => value.length >= 3 && !isTemplate(value);
/** `user:password`. */
function isLogin(pair: string): boolean {
  const [user = '', password = ''] = [pair.slice(0, pair.indexOf(':')), pair.slice(pair.indexOf(':') + 1)].map((part) => part.replace(/["'{}]/g, ''));
  return isPassword(password) && user !== password && !/^[<$]/.test(user);
}
