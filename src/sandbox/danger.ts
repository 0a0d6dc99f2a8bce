/** Programs that run another one named in their arguments: everything after them is looked at too. */
const WRAPPERS = new Set(['env', 'sudo', 'doas', 'nohup', 'nice', 'ionice', 'timeout', 'setsid', 'stdbuf', 'busybox', 'toybox', 'exec', 'command', 'time', 'xargs', 'chroot', 'unshare', 'nsenter', 'npx', 'npm', 'pnpm', 'yarn', 'bunx', 'uvx', 'uv', 'pipx', 'start', 'wsl']);

/** A program that takes other programs as text. */
interface Evaluator {
  readonly name: RegExp;
  /** The switch by which it does. */
  readonly flag: RegExp;
  /** Switches whose value is an argument of its own. */
  readonly valued?: RegExp;
  /** After the first argument that is no switch, the arguments are the script's own; left out: they all count. */
  readonly scriptFirst?: true;
}
const EVALUATORS: readonly Evaluator[] = [
  // `-lc`, `-ec` and the like are `-c` too.
  { name: /^(?:r?bash|sh|dash|ash|zsh|m?ksh|fish|t?csh|elvish|nu|xonsh)$/, flag: /^(?:-[a-zA-Z]*c|--command)/, valued: /^(?:[-+][oO]|--rcfile|--init-file)$/, scriptFirst: true },
  { name: /^cmd$/, flag: /^\/[ckr]/i },
  // Any unambiguous beginning of a switch counts, and other dashes and a slash before it.
  { name: /^(?:powershell|pwsh)$/, flag: /^[-/\u2013\u2014](?:c|ec?$|en)/i },
  { name: /^(?:node|nodejs|bun|tsx)$/, flag: /^(?:-[a-z]*[ep]$|--eval|--print)/, valued: /^(?:-r|-C|--require|--import|--loader|--experimental-loader|--conditions|--env-file(?:-if-exists)?|--input-type|--title)$/, scriptFirst: true },
  { name: /^deno$/, flag: /^(?:eval|repl|https?:.*)$/ },
  { name: /^(?:python|pypy)[\d.]*w?$/, flag: /^-[a-zA-Z]*c/, valued: /^-[a-zA-Z]*[WX]$/, scriptFirst: true },
  { name: /^perl[\d.]*$/, flag: /^-[a-zA-Z0-9]*[eE]/, valued: /^-I$/, scriptFirst: true },
  { name: /^ruby[\d.]*$/, flag: /^-[a-zA-Z]*e/, valued: /^-[Ir]$/, scriptFirst: true },
  { name: /^php[\d.]*$/, flag: /^(?:-[rBRE]|--run|--process-)/, valued: /^-[dcz]$/, scriptFirst: true },
  { name: /^(?:lua|luajit)[\d.]*$/, flag: /^-e/, valued: /^-l$/, scriptFirst: true },
  { name: /^(?:osascript|rscript|julia|groovy|tclsh|elixir|erl)$/, flag: /^(?:-e|-E|-eval|--eval)/ },
  { name: /^[gm]?awk$/, flag: /system\s*\(|\|\s*getline/ },
  { name: /^(?:npx|bunx)$/, flag: /^(?:-c|--call)/, valued: /^(?:-p|--package)$/, scriptFirst: true },
  { name: /^(?:npm|pnpm|yarn)$/, flag: /^(?:-c|--call)/ },
  { name: /^env$/, flag: /^(?:-[a-zA-Z]*S|--split-string)/ },
];
const DOCKER = /^(?:docker|podman|nerdctl)$/;
const DOCKER_RIGHTS = /\s(?:--privileged|--(?:pid|ipc|uts|userns|network|net)[= ]host|--(?:cap-add|device|security-opt)[= ]|(?:-v|--volume)[= ]?\/:|--mount[= ]\S*(?:src|source)=\/(?:,|\s|$))|docker\.sock/;

/**
 * Why an argv is dangerous to run as a server, or null: a shell or interpreter that gets its program as text, so that what looks like one
 * approved command is any command (CWE-78; MCP security best practices, "Local MCP Server Compromise"). For config checks; the
 * operator may set `allow_shell`. It marks what is known to be bad and proves nothing harmless.
 */
export function dangerousCommand(argv: readonly string[]): string | null {
  const program = argv[0] ?? '';
  if (program.trim() === '') return 'the program is empty';
  if (/\p{Cc}/u.test(program) || program !== program.trim()) return 'the program’s name has control characters or spaces around it';
  const last = WRAPPERS.has(nameOf(program)) ? argv.length : 1; // other programs' arguments are their own
  for (let i = 0; i < last; i++) {
    const why = judge(nameOf(argv[i] ?? ''), argv.slice(i + 1));
    if (why !== null) return why;
  }
  return null;
}

function judge(name: string, args: readonly string[]): string | null {
  for (const evaluator of EVALUATORS) {
    if (evaluator.name.test(name) && takesText(evaluator, args)) return `${name} is given a program as text`;
  }
  if (DOCKER.test(name) && DOCKER_RIGHTS.test(` ${args.join(' ')}`)) return `${name} is given rights over the host`;
  return null;
}

function takesText({ flag, valued, scriptFirst }: Evaluator, args: readonly string[]): boolean {
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? '';
    if (flag.test(arg)) return true;
    if (arg === '--' || arg === '-m') return false;
    if (valued?.test(arg) === true) i++;
    else if (scriptFirst === true && !/^[-+]/.test(arg)) return false;
  }
  return false;
}

function nameOf(program: string): string {
  const base = program.slice(Math.max(program.lastIndexOf('/'), program.lastIndexOf('\\')) + 1).toLowerCase();
  return base.replace(/\.(?:exe|cmd|bat|com|ps1)$/, '');
}

/** Variables by which an environment makes a runtime load or run other code. */
const VARIABLES = /^(?:node_options|node_path|node_repl_external_module|ld_.*|dyld_.*|bash_env|env|shellopts|bashopts|ps4|prompt_command|ifs|python(?:path|home|startup|warnings|inspect|breakpoint|usersite)|perl5opt|perl5lib|perllib|perl5db|ruby(?:opt|lib)|java_tool_options|_java_options|jdk_java_options|classpath|php_ini_scan_dir|phprc|lua_(?:init|path|cpath).*|git_(?:ssh|ssh_command|proxy_command|exec_path|external_diff|config.*)|npm_config_.*|gconv_path|editor|visual|pager|browser|sallyport_run)$/i;

/** Why a variable's name is dangerous in a server's environment, or null: code by environment (CWE-426, CWE-454). For config checks. */
export function dangerousVariable(name: string): string | null {
  return VARIABLES.test(name) ? `${name} makes programs load or run other code` : null;
}
