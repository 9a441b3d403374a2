// The host that is asked: who asks, what it answers, and since when it does not.
import { computed, signal } from './html.js';
import { parse } from './json.js';

const key = 'ichor.token';
const sendable = /^[!-~]+$/; // what a header takes

// carried keeps the token that an address has after its #, as the one that the demonstration prints, and takes it out of the
// address BEFORE anything is shown: no bookmark and no picture has it. A browser sends no host that part. It is taken where
// host and browser are on one machine alone: beyond that a link must not say who somebody is.
function carried() {
	const [, text] = /^#token=(.*)$/.exec(location.hash) || [];
	if (text === undefined) return false;
	history.replaceState(null, '', location.pathname + location.search);
	const here = ['127.0.0.1', '[::1]', 'localhost'].includes(location.hostname);
	if (here && sendable.test(text)) sessionStorage.setItem(key, text);
	return here;
}

carried();
addEventListener('hashchange', () => carried() && location.reload()); // given to a tab that shows the page

// token is the API token of this tab alone: it goes with the tab, and no other page of this browser sees it.
export const token = signal(sessionStorage.getItem(key) || '');

// me is who asks, as the host says; undefined until it has. Dropped says that the token that there was is none of the
// host's any more.
export const me = signal(undefined);
export const dropped = signal(false);

// reads says whether what needs a role may be read.
export const reads = computed(() => (me.value?.roles || []).length > 0);

// may says whether something may be asked for that needs a role.
export const may = (role) => Boolean(me.value?.changes && me.value.roles.includes(role));

// contact is how it stands with the host: when it last answered, since when it does not and why, and when it is asked
// again. Instants are this browser's, ms.
export const contact = signal({ answered: 0, lost: 0, why: '', again: 0 });

// skew is how far the host's clock is ahead of this browser's, ms.
let skew = 0;

// now is the present by the host's clock, ms.
export const now = () => Date.now() + skew;

// Refused is an answer that says why not.
export class Refused extends Error {
	constructor(code, text) {
		super(text);
		this.code = code;
	}
}

// Lost is no answer.
export class Lost extends Error {}

const patience = 10e3; // for an answer, ms

// get asks for something. It throws a Refused or a Lost.
export const get = (path) => ask(path, { signal: AbortSignal.timeout(patience) });

// post asks for a change, and waits some seconds for what becomes of it. The answer is the host's requests.
export function post(path, body, { match, type = 'application/json', headers = {} } = {}) {
	const all = { 'Content-Type': type, ...headers };
	if (match) all['If-Match'] = `"${match}"`;
	const waiting = path + (path.includes('?') ? '&' : '?') + 'wait=5s';
	return ask(waiting, { method: 'POST', headers: all, body: type === 'application/json' ? JSON.stringify(body) : body });
}

async function ask(path, init) {
	const headers = new Headers(init.headers);
	if (token.value) headers.set('Authorization', 'Bearer ' + token.value);
	let answer;
	let text;
	try {
		answer = await fetch(path, { ...init, headers, cache: 'no-store', credentials: 'omit' });
		text = await answer.text();
	} catch (e) {
		throw lost(e.name === 'TimeoutError' ? 'it has not answered for 10 s' : 'it cannot be reached');
	}
	let value;
	try {
		value = parse(text);
	} catch {
		throw lost(`something else answers in its place (${answer.status})`);
	}
	const date = Date.parse(answer.headers.get('Date'));
	if (date && Math.abs(date - now()) > 2000) skew = date - Date.now();
	const back = contact.value.lost > 0;
	contact.value = { answered: Date.now(), lost: 0, why: '', again: 0 };
	const another = answer.status === 401 || answer.status === 403;
	if (path !== mePath && (another || back)) await know(); // the tokens or their roles are others, or the host is
	if (!answer.ok && !('ready' in value)) throw new Refused(answer.status, value.error || `the host answers ${answer.status}`);
	return value;
}

function lost(why) {
	const c = contact.value;
	contact.value = { ...c, lost: c.lost || c.answered || Date.now(), why };
	return new Lost(why);
}

const mePath = 'v1/me';

// know asks who asks. A token that is none of the host's any more is dropped; false when there was one.
export async function know() {
	try {
		me.value = await get(mePath);
		return true;
	} catch (e) {
		if (e.code !== 401) throw e;
		leave();
		dropped.value = true;
		me.value = await get(mePath);
		return false;
	}
}

// enter takes a token for this tab; false when it is none of the host's.
export async function enter(text) {
	if (!sendable.test(text)) return false;
	token.value = text;
	const known = await know();
	dropped.value = false;
	if (known) sessionStorage.setItem(key, text);
	return known;
}

// leave forgets the token.
export function leave() {
	token.value = '';
	sessionStorage.removeItem(key);
}
