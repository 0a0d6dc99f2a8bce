import { foldText, normalise } from './fold.ts';

/** What a word can be for a rule; a word may be several. */
export const W = {
  OVER: 1, QUAL: 1 << 1, ANY: 1 << 2, OBJ: 1 << 3, WEAK: 1 << 4, SEND: 1 << 5, SENS: 1 << 6, DEST: 1 << 7, NEG: 1 << 8, TELL: 1 << 9,
  WHO: 1 << 10, AGENT: 1 << 11, MUST: 1 << 12, READ: 1 << 13, SHOW: 1 << 14, SYSTEM: 1 << 15, YOUR: 1 << 16, MODE: 1 << 17, USE: 1 << 18,
  TOOL: 1 << 19, ONLY: 1 << 20, SAY: 1 << 21, FREE: 1 << 22, NEW: 1 << 23, COLON: 1 << 24, ABOVE: 1 << 25, SOFT: 1 << 26, GOODS: 1 << 27,
  WITHOUT: 1 << 28, REPLY: 1 << 29,
} as const;

const WORDS: readonly (readonly [bits: number, words: string])[] = [
  // Verbs that set earlier orders aside.
  [W.OVER, 'ignore ignoring disregard disregarding forget neglect discard unlearn'],
  [W.SOFT, 'override overrule overwrite bypass skip drop cancel supersede replace suspend abandon'],
  [W.OVER, 'ignora ignoren ignorar ignorad olvida olvide olviden olvidar omite ignorez ignorer oublie oubliez oublier ignoriere ignorieren ignorier vergiss vergessen missachte'],
  [W.OVER, 'ignorate dimentica dimenticate trascura negeer negeren vergeet esqueca esquece ignorem desconsidere desconsidera abaikan lupakan zignoruj ignoruj zapomnij ignorera glom ignorer glem'],
  // Which orders.
  [W.QUAL, 'previous prior preceding earlier foregoing former past existing original initial other current old precedent preceeding previously'],
  [W.QUAL, 'anteriores anterior previas previos previa previo precedentes precedente precedents precedentes vorherigen vorherige vorigen bisherigen obigen fruheren precedenti vorige eerdere voorgaande sebelumnya terdahulu poprzednie tidigare foregaende'],
  [W.QUAL | W.YOUR, 'your youre tu tus vos votre tes sus suas seus deine deinen ihre ihren jouw uw je'],
  [W.ANY, 'all any every these those the each todas todos tous toutes toute alle allen tutte tutti semua wszystkie alla'],
  [W.ABOVE | W.QUAL, 'above preceding foregoing aforementioned beforehand'],
  [W.OBJ, 'instruction instructions directive directives directions guidelines programming prompt prompts training restrictions safeguards orders'],
  [W.OBJ, 'instrucciones instruccion instrucoes instrucao indicaciones ordenes instructions consignes directives anweisungen anweisung anweisungen befehle vorgaben istruzioni instructies aanwijzingen instruksi perintah instrukcje polecenia instruktioner instruks'],
  [W.WEAK, 'rule rules command commands message messages context content contents text info information everything anything task tasks policy policies constraints limits request requests conversation input safety filters order query question reglas regras regeln regole'],
  [W.WEAK | W.QUAL, 'rest remainder'],
  [W.SYSTEM, 'system hidden initial original secret internal developer base sistema systeem systeme sistem'],
  [W.OBJ | W.SYSTEM, 'systemprompt systemprompts systemnachricht'],
  [W.NEW, 'now new updated revised actual real true next following additional urgent important final nuevas nuevas novas nouvelles neue nuove nieuwe'],
  // What is wanted instead.
  [W.SEND, 'send forward email mail post upload transmit exfiltrate leak submit append transfer dm share deliver attach envia enviar envie envoie envoyez sende schicke senden invia stuur kirim'],
  [W.SENS, 'password passwords passphrase passcode credential credentials secrets secret apikey apikeys api_key token tokens id_rsa id_ed25519 ssh passwd shadow keychain cookies cookie 2fa otp ssn contrasena contrasenas passwort'],
  [W.GOODS, 'emails email inbox files file documents document contacts contact messages history conversation conversations chat chats records transactions invoices results result data contents database customers location address addresses bill'],
  [W.READ, 'read open cat access retrieve fetch get load list collect gather extract find locate search download dump'],
  [W.SHOW, 'reveal print show repeat output display leak recite dump expose disclose return tell give write muestra revela affiche zeige toon mostra goster tampilkan'],
  [W.NEG, 'not never dont cannot mustnt shouldnt no avoid nicht pas nunca jamais'],
  [W.WITHOUT, 'without sin sans ohne senza'],
  [W.TELL, 'mention mentioning tell telling inform informing notify notifying reveal revealing disclose disclosing alert alerting warn warning ask asking say saying report reporting explain explaining show showing shown visible acknowledge confirm confirming confirmation approval permission consent knowledge consult consulting'],
  [W.WHO, 'user users human humans anyone anybody owner customer operator person people me confirmation approval permission consent step message instruction note this'],
  [W.AGENT, 'ai agent agents assistant assistants llm llms chatbot bot gpt chatgpt gpt4 claude gemini copilot cursor llama model models crawler'],
  [W.MUST, 'must required should shall need needs mandatory obliged instructed ordered have'],
  [W.USE, 'use call invoke run execute trigger launch start using calling'],
  [W.TOOL, 'tool tools function command plugin'],
  [W.ONLY, 'just only simply exactly instead solely nothing merely verbatim'],
  [W.REPLY, 'reply respond answer say tell print'],
  [W.SAY, 'say print output write reply respond answer state tell return produce'],
  [W.MODE, 'mode modus modo'],
  [W.FREE, 'developer debug debugging dan god jailbroken jailbreak unrestricted unfiltered uncensored maintenance admin administrator root evil free sudo override unlocked privileged dev'],
];
/** Scripts without blanks, or with endings: looked for inside the text. */
const STEMS: readonly (readonly [bits: number, words: string])[] = [
  [W.OVER, '忽略 无视 無視 忘记 忘記 忘掉 不要理会 忘れ 무시 잊어 игнорир забудь забудьте проигнорир अनदेखा नज़रअंदाज़ भूल उपेक्षा উপেক্ষা ভুলে תתעלם התעלם שכח تجاهل انس ละเว้น เพิกเฉย ลืม ไม่ต้องสนใจ 무효'],
  [W.QUAL, '之前 以前 先前 前面 上述 所有 以上 前の これまで 이전 앞선 위의 모든 предыдущ прежн прошл पिछले पूर्व पहले পূর্ববর্তী আগের הקודמות הקודמים לעיל السابقة السابق ก่อนหน้า ก่อน ทั้งหมด'],
  [W.OBJ, '指示 指令 说明 說明 提示 命令 지시 명령 지침 инструкц указани निर्देश आदेश নির্দেশ ההוראות הנחיות التعليمات الأوامر คำสั่ง คำแนะนำ'],
  [W.OBJ | W.QUAL, '系统提示 系統提示 システムプロンプト 시스템프롬프트 시스템 프롬프트'],
  // Latin scripts whose verb is two words, or follows its object.
  [W.OVER, 'yok say|gormezden gel|bo qua|huwag pansinin|kalimutan|unutun'],
  [W.QUAL, 'onceki|truoc do|truoc|naunang|nakaraang|yukaridaki'],
  [W.OBJ, 'talimat|huong dan|chi dan|tagubilin'],
];

const canon = (word: string): string => foldText(normalise(word));

export interface Lexicon {
  readonly words: ReadonlyMap<string, number>;
  readonly stems: readonly { readonly text: string; readonly bits: number }[];
}
/** Built once per gateway. */
export function buildLexicon(): Lexicon {
  const words = new Map<string, number>();
  for (const [bits, list] of WORDS) for (const word of list.split(' ')) words.set(canon(word), (words.get(canon(word)) ?? 0) | bits);
  const stems = STEMS.flatMap(([bits, list]) => list.split(list.includes('|') ? '|' : ' ').map((text) => ({ text: canon(text), bits })));
  return { words, stems };
}

/** The words that alone make a text worth reading: a rule that needs none of them would never run. */
export function anchorsOf(lexicon: Lexicon): string[] {
  const verbs = WORDS.filter(([bits]) => (bits & W.OVER) !== 0).flatMap(([, list]) => list.split(' '));
  return [...verbs, ...lexicon.stems.filter((stem) => (stem.bits & W.OVER) !== 0).map((stem) => stem.text), ...ANCHORS, ...pairs()];
}
const ANCHORS = [
  'overrid', 'overrul', 'bypass', 'supersede', 'systemprompt', 'initialprompt', 'originalprompt', 'yourprompt', 'instruction', 'aiagent', 'aiassistant',
  'aimodel', 'languagemodel', 'automatedagent', 'assistant:', 'assistants:', 'agents:', 'agent:', 'llm:', 'llms:', 'bots:', 'dearassistant', 'chatgpt', 'toolto', 'youarenow', 'developermode', 'debugmode',
  'godmode', 'adminmode', 'maintenancemode', 'unrestricted', 'jailbr', 'withoutanyrestr', 'withoutrestr', 'withoutlimit', 'id_rsa', 'id_ed25519', '.ssh/', 'mcp.json', '/etc/passwd', '/etc/shadow', '.aws/cred',
  'apikey', 'api_key', 'password', 'credential', 'environmentvariable', 'privatekey', 'accesstoken', 'justsay', 'justprint', 'onlysay', 'simplysay', 'withonly', 'respondonly', 'replyonly', 'onlyrespond',
  'toaccount', 'exfiltrat', 'ignoretheuser', 'restrictions', 'knowledge', 'shownto', 'visibleto',
];

function pairs(): string[] {
  const deny = ['donot', 'don\'t', 'don’t', 'dont', 'never', 'mustnot', 'without'];
  const tell = ['mention', 'tell', 'inform', 'notify', 'reveal', 'disclos', 'alert', 'warn', 'ask', 'confirm', 'approval', 'permission', 'consult', 'acknowledge', 'the user', 'user'];
  return deny.flatMap((no) => tell.map((verb) => no + verb));
}
