/** What the lead flow says, in one language. One file each; `texts` in ../lead-replies.ts lists them. */
export interface LeadTexts {
  askName: string;
  /** After a name was given. */
  askEmail: (name: string) => string;
  /** Without a name, to somebody who was asked already. */
  askEmailAgain: string;
  askCode: (email: string) => string;
  /** A question before its time. */
  kept: string;
  verified: (name: string) => string;
  nameInvalid: string;
  emailInvalid: string;
  emailDisposable: string;
  emailWithoutServer: string;
  /** The mail server refused the code's mail. */
  emailRefused: (email: string) => string;
  codeWrong: (triesLeft: number) => string;
  codeExpired: string;
  blocked: string;
  codeResent: (email: string) => string;
  resendTooSoon: (seconds: number) => string;
  resendTooOften: string;
  mailLimit: string;
}
