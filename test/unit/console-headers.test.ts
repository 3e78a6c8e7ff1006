import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { makeRequest } from './api-fakes.ts';
import { start } from './api-app.ts';
import { signIn } from './console-visit.ts';

const APPROVER = 'approver-read+decide';

test('every page carries the strict policy and nothing inline', async () => {
  const { app, put } = await start();
  const request = makeRequest();
  put(request);
  const visitor = await signIn(app, APPROVER);
  for (const url of ['/', `/requests/${request.id}`, '/records', `/records/${randomUUID()}`]) {
    const { body, headers } = await visitor.get(url);
    const policy = String(headers['content-security-policy']);
    assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self'/u);
    assert.doesNotMatch(policy, /unsafe/u);
    assert.doesNotMatch(body, / on\w+=| style=|<style|<script(?![^>]* src=)/u, url);
    assert.equal(headers['cache-control'], 'no-store');
  }
});

test('a browser’s unknown address is a page, a program’s is a problem', async () => {
  const { app } = await start();
  const page = await app.inject({ url: '/nowhere', headers: { accept: 'text/html' } });
  assert.equal(page.statusCode, 404);
  assert.match(page.headers['content-type'] ?? '', /text\/html/u);
  const problem = await app.inject({ url: '/api/nowhere', headers: { accept: 'text/html' } });
  assert.match(problem.headers['content-type'] ?? '', /problem\+json/u);
});
