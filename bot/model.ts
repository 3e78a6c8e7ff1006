/**
 * What is said in chat, on any platform: a feature says it once, `slack/` and `teams/` show it in their own way. Every
 * text is literal: whoever renders it escapes it, so nothing that people wrote is read as markup, mention or link.
 */

/** A run of text. */
export type Span = {
  readonly text: string;
  readonly style?: 'bold' | 'code';
  /** An address of ours. */
  readonly link?: string;
  /** ISO 8601: shown in the reader's own time zone where the platform can; `text` stands where it cannot. */
  readonly at?: string;
  /** A group of the directory: its members are notified where the configuration says who they are in chat. */
  readonly notify?: string;
};
export type Line = readonly (Span | string)[];
export type Fact = { readonly label: string; readonly text: string };

/** A button acts (`action` and `value` come back to the desk), or leads somewhere. */
export type Button = {
  readonly label: string;
  readonly style?: 'primary' | 'danger';
  /** For screen readers, where the label alone does not say it. */
  readonly hint?: string;
} & (
  | {
      readonly action: string;
      /** An opaque id and a version; never anything that is trusted when it comes back. */
      readonly value: string;
      /** A form follows; Teams opens a dialog only where it knows that before. Goes with no `confirm`. */
      readonly opens?: 'form';
      readonly confirm?: {
        readonly title: string;
        readonly text: string;
        readonly yes: string;
      };
    }
  /** `action` only tells it apart from others. */
  | { readonly url: string; readonly action: string }
);

export type Part =
  | { readonly kind: 'text'; readonly line: Line }
  | { readonly kind: 'facts'; readonly facts: readonly Fact[] }
  | { readonly kind: 'code'; readonly text: string }
  | { readonly kind: 'list'; readonly items: readonly Line[] }
  /** Small print. */
  | { readonly kind: 'note'; readonly line: Line }
  /** `png` is base64; `alt` says what it shows. */
  | { readonly kind: 'image'; readonly png: string; readonly alt: string }
  | { readonly kind: 'buttons'; readonly buttons: readonly Button[] };

/** A message. `summary` is for notifications and screen readers, and holds nothing of a statement. */
export type Post = {
  readonly summary: string;
  readonly title?: string;
  readonly parts: readonly Part[];
};

export type Choice = { readonly value: string; readonly label: string; readonly about?: string };

/** What a form asks. Answers come back as text, by `id`; what was left empty is ''. */
export type Field = {
  readonly id: string;
  readonly label: string;
  readonly hint?: string;
  readonly optional?: true;
  readonly initial?: string;
} & (
  | { readonly kind: 'text'; readonly lines?: true; readonly max: number }
  /** At most 100; more are looked up with `search`. */
  | { readonly kind: 'choice'; readonly choices: readonly Choice[] }
  /** Choices are looked up while one types; `initial` is then shown as it is. */
  | { readonly kind: 'search'; readonly source: string }
  /** Answers with ISO 8601. */
  | { readonly kind: 'time' }
);

/** A modal of Slack, a dialog of Teams. `state` comes back with the answers: opaque ids, nothing that is trusted. */
export type Form = {
  readonly id: string;
  readonly title: string;
  readonly submit: string;
  readonly state: string;
  readonly parts?: readonly Part[];
  readonly fields: readonly Field[];
};
