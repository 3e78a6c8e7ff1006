/** What the bot needs of the process's logger (pino has it). */
export type BotLog = {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
};
