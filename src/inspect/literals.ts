/** A piece of text that is a sign by itself; blanks and letter case do not count. */
export interface Literal {
  readonly rule: string;
  readonly weight: number;
  readonly texts: readonly string[];
}

/**
 * Marks of chat templates, faked turns and headings. Nothing but a model reads them, so in data they speak to the model.
 * Weights are out of 5, which is a finding.
 */
export const LITERALS: readonly Literal[] = [
  {
    rule: 'role_marker', weight: 5,
    texts: [
      '<|im_start|>', '<|im_end|>', '<|im_sep|>', '<<sys>>', '<</sys>>', '[inst]', '[/inst]', '<|system|>', '<|user|>', '<|assistant|>', '<|start_header_id|>', '<|end_header_id|>', '<|eot_id|>',
      '<|begin_of_text|>', '<start_of_turn>', '<end_of_turn>', '<|start|>system', '<|channel|>', '[/tool_result]', '[/tool_results]', '[tool_result]', '</tool_result>', '</tool_response>', '</function_results>',
      '[system](#', '[assistant](#', '[user](#', '###(system', '(system_message)', '[system]:', '[systemmessage]', '<system_message>', '<systemmode>', '<system_mode>', '<system-prompt>', '<system_prompt>',
    ],
  },
  { rule: 'role_tag', weight: 3, texts: ['<system>', '</system>', '<important>', '<hidden>', '<information>', '<instructions>', '###system', '###instruction', '###assistant', '[assistant]:', '[user]:', '<|endoftext|>', '[adminmessage]', '[override]'] },
  { rule: 'system_message', weight: 3, texts: ['systemmessage:', 'systemoverride', 'systemnotice:', 'systemalert:', 'systeminstruction', 'adminoverride', 'developeroverride', 'dataoverride', 'trainingoverride', 'overridemode', 'messagefromthedeveloper', 'messagefromthesystem', 'systemupdate:'] },
  { rule: 'new_instructions', weight: 5, texts: ['newinstructions:', 'newinstruction:', 'newinstructionsfor', 'newtask:', 'newtaskfrom', 'updatedinstructions:', 'realinstructions', 'actualinstructions', 'revisedinstructions:', 'yournewtask', 'yournewinstructions', 'yourrealtask', 'newsystemprompt', 'newobjective:', 'newdirective'] },
  { rule: 'fake_progress', weight: 3, texts: ['nextmandatorystep', 'mandatorystep', 'mandatorynextstep', 'taskabovehasbeencompleted', 'previoustaskiscomplete', 'previoustaskhasbeen', 'previoustoolfinished', 'taskcompletedsuccessfully', 'endofsession', 'endofdocument', 'endofprompt', 'endofuserinput', 'endofcontext', 'beginnewsession', 'originaltaskis'] },
  { rule: 'task_first', weight: 4, texts: ['taskthatigaveyou', 'taskigaveyou', 'taskyouweregiven', 'dothefollowingfirst', 'pleasedothefollowing', 'firstdothefollowing', 'beforeyoucansolve', 'beforeansweringyoumust', 'beforeansweringtheuser', 'completethefollowingbeforeanswering', 'beforeusingthistool', 'beforeusinganytool', 'beforecallingthistool'] },
  { rule: 'follow_this', weight: 2, texts: ['strictlyadhere', 'strictlyfollow', 'followingcommand:', 'followinginstruction:', 'followtheseinstructions', 'followtheinstructions', 'followtheinstruction', 'adheretothefollowing', 'obeythefollowing', 'executethefollowing', 'andfollowit:', 'andobey', 'andcomply'] },
  { rule: 'address', weight: 2, texts: ['importantmessagefrom', 'importantmessageto', 'attentionai', 'attentionassistant', 'attentionagent', 'notetoai', 'notetoassistant', 'notetotheassistant', 'notetotheai', 'instructionsforai', 'instructionfortheassistant', 'instructionsfortheassistant', 'tothelanguagemodel', 'dearai', 'dearassistant', 'heyassistant', 'readingthispage', 'readingthisdocument', 'processingthisdocument', 'summarizingthis'] },
  { rule: 'from_now_on', weight: 2, texts: ['fromnowon', 'fromthispointon', 'important!!!', 'urgent!!!', 'veryimportant:', 'highestpriority'] },
  { rule: 'out_of_sight', weight: 4, texts: ['notshowntohuman', 'notvisibletohuman', 'notvisibletotheuser', 'notshowntotheuser', 'hiddenfromtheuser', 'hiddenfromhuman', 'keepthissecret', 'keepthisconfidential', 'usershouldnotknow', 'usermustnotknow', 'thisnoteisnotshown', 'withouttheuserknowing', 'withouttheuser\'sknowledge', 'donotmentionthis', 'don\'tmentionthis', 'nevermentionthis'] },
  { rule: 'exclusive', weight: 2, texts: ['nothingelse', 'focusonlyon', 'focusexclusivelyon', 'andnomore', 'mustoutputexactly', 'maynotdeviate'] },
  { rule: 'reveal_prompt', weight: 4, texts: ['instructionsyouweregiven', 'instructionsyoureceived', 'messagesyoureceivedbefore', 'textabovethisline', 'everythingabovethisline', 'promptyouweregiven', 'beginwithyouare'] },
  { rule: 'persona', weight: 2, texts: ['youarenow', 'youwillnowact', 'younolongerhave', 'pretendyouare', 'pretendtobean', 'stayincharacter', 'breakcharacter', 'doanythingnow', 'youareanunrestricted', 'actasanunrestricted', 'youarefree', 'youarethesystem'] },
  { rule: 'no_limits', weight: 3, texts: ['withoutrestrictions', 'withoutanyrestrictions', 'withoutlimits', 'withoutanylimits', 'withoutfilters', 'withoutanyfilter', 'norestrictionsapply', 'withoutcensorship', 'withoutmoral', 'withoutethical'] },
  { rule: 'stop', weight: 3, texts: ['stopeverything', 'stopwhatyouaredoing', 'stopallprevioustasks', 'stopyourcurrenttask', 'abortyourtask'] },
];
