import type { Problem } from '../../api/problem.ts';
import { html } from '../html.ts';
import type { Page } from '../layout.ts';

export function errorPage(problem: Problem): Page {
  return {
    title: problem.title,
    body: html`<section class="narrow panel">
      <p class="eyebrow">${problem.status}</p>
      <h1>${problem.title}</h1>
      <p>${problem.message}</p>
      <p><a href="/">Back to the inbox</a></p>
    </section>`,
  };
}
