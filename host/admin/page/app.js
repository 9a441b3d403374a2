// The page: its head, its sections, and what stands above all of them.
import { html, render, signal, useEffect, useLayoutEffect, useRef, useState } from './html.js';
import { Asking } from './asking.js';
import { Charts } from './charts.js';
import { askAll } from './feed.js';
import { span, time } from './format.js';
import { contact, dropped, enter, know, leave, me, reads, token } from './host.js';
import { Guests } from './guests.js';
import { Journeys } from './journeys.js';
import { Pipeline } from './pipeline.js';
import { Quarantine } from './quarantine.js';
import { Requests } from './requests.js';
import { State } from './parts.js';
import { route, sections, to } from './route.js';
import { Search } from './search.js';
import { status, useStatus } from './state.js';
import { Patterns } from './waterfall.js';

const shown = { pipeline: Pipeline, journeys: Journeys, search: Search, quarantine: Quarantine, guests: Guests, charts: Charts, requests: Requests };

// present moves each second, for what says how long ago something was.
const present = signal(Date.now());
setInterval(() => document.hidden || (present.value = Date.now()), 1000);

function Page() {
	useEffect(introduce, []);
	return html`<a class="skip" href="#main" onClick=${skip}>To the content</a><${Patterns} />
		<${Head} /><${Nav} />
		<main id="main" tabindex="-1"><${Lost} /><${Updated} />${me.value && html`<${Section} />`}</main>
		<${Asking} />`;
}

// introduce asks who asks, again until the host says so.
function introduce() {
	let timer;
	const again = () => know().catch(() => {
		timer = setTimeout(again, 2000);
	});
	again();
	return () => clearTimeout(timer);
}

function skip(event) {
	event.preventDefault();
	document.getElementById('main').focus();
}

function Head() {
	return html`<header><a class="name" href=${to('pipeline')}><svg viewBox="0 0 16 16" aria-hidden="true"><path d="M8 1C5 5 3 7.500 3 10a5 5 0 0 0 10 0C13 7.500 11 5 8 1z" /></svg>Ichor</a>
		${me.value && html`<${Verdict} />`}<${Theme} /><${Who} /></header>`;
}

// Verdict is the state of the host in a word, in every section.
function Verdict() {
	useStatus();
	present.value;
	const is = status.value?.readiness;
	const { lost } = contact.value;
	if (lost) return html`<p class="verdict-word"><${State} is="odd">no answer<//></p>`;
	if (!is) return html`<p class="verdict-word faint">…</p>`;
	return html`<p class="verdict-word"><a href=${to('pipeline')}><${State} is=${is.ready ? 'good' : 'bad'}>${is.ready ? 'ready' : 'not ready'}${is.reason && `: ${is.reason}`}<//></a>${is.degraded && html` <${State} is="odd">degraded<//>`}</p>`;
}

// Theme is light, dark, or as the system has it.
function Theme() {
	const [is, set] = useState(document.documentElement.dataset.theme);
	const choose = (event) => {
		const to = event.currentTarget.value;
		document.documentElement.dataset.theme = to;
		localStorage.setItem('ichor.theme', to);
		set(to);
	};
	return html`<label class="theme"><span class="unseen">Theme</span><select value=${is} onChange=${choose}>
		${[['system', 'system'], ['light', 'light'], ['dark', 'dark']].map(([name, says]) => html`<option key=${name} value=${name} selected=${name === is}>${says}</option>`)}</select></label>`;
}

// Who is who asks, and where a token is given.
function Who() {
	const [open, set] = useState(false);
	const is = me.value;
	if (!is) return null;
	if (!is.changes) return html`<p class="who faint" title="This host has no http.tokens: everybody reads, and nobody changes anything here.">read-only</p>`;
	if (token.value && is.name) return html`<p class="who"><b>${is.name}</b> <span class="faint">${is.roles.join(', ')}</span> <button type="button" onClick=${() => { leave(); know(); }}>Forget the token</button></p>`;
	return html`<div class="who"><button type="button" aria-expanded=${open} onClick=${() => set(!open)}>Give a token…</button>${open && html`<${Token} done=${() => set(false)} />`}</div>`;
}

function Token({ done }) {
	const [wrong, set] = useState('');
	const field = useRef(null);
	useEffect(() => field.current.focus(), []);
	const give = async (event) => {
		event.preventDefault();
		try {
			if (await enter(field.current.value.trim())) done();
			else set('This token is none of this host’s: see the file of http.tokens.');
		} catch (e) {
			set(e.message);
		}
	};
	return html`<form class="token card" onSubmit=${give} onKeyDown=${(e) => e.key === 'Escape' && done()}>
		<label for="token">API token</label><input id="token" ref=${field} type="password" autocomplete="off" required aria-describedby="token-says" />
		<p id="token-says" class="faint">It is kept for this tab alone.</p><p role="alert" class="problem">${wrong && html`<${State} is="bad">${wrong}<//>`}</p>
		<p class="buttons"><button type="submit" class="main">Use it</button><button type="button" onClick=${done}>Cancel</button></p></form>`;
}

function Nav() {
	const s = status.value;
	return html`<nav aria-label="Sections"><ul>${sections.map(([name, title]) => html`<li key=${name}>
		<a href=${to(name)} aria-current=${route.value.section === name ? 'page' : undefined}>${title}${name === 'quarantine' && s?.held > 0 && html` <span class="bubble">${s.held}<span class="unseen"> held</span></span>`}</a></li>`)}</ul></nav>`;
}

// Lost says since when the host does not answer: what is shown is from then.
function Lost() {
	present.value;
	const { lost, why, again } = contact.value;
	const seconds = Math.max(0, Math.round((Date.now() - lost) / 1000));
	return html`<div class=${lost ? 'banner' : ''}><p role="alert">${lost > 0 && html`<${State} is="odd"><b>No answer since ${time(lost)}</b>: ${why}. What is shown is from then.<//>`}</p>
		${lost > 0 && html`<p class="buttons"><span class="faint">${span(seconds)} ago; ${again > Date.now() ? `asked again in ${Math.ceil((again - Date.now()) / 1000)} s` : 'asking…'}</span><button type="button" onClick=${askAll}>Ask now</button></p>`}</div>`;
}

// Updated says that the host is of another version than the one that this page came with: what it asks and shows may
// not be what the host means.
function Updated() {
	const came = useRef();
	const is = status.value?.ichor;
	came.current ||= is;
	const other = is !== undefined && is !== came.current;
	return html`<div class=${other ? 'banner' : ''}><p role="alert">${other && html`<${State} is="odd"><b>The host is of version ${is} now</b>: this page came with ${came.current}.<//>`}</p>
		${other && html`<p class="buttons"><button type="button" onClick=${() => location.reload()}>Load the page again</button></p>`}</div>`;
}

// Section is the one that the address names. When another one is gone to, its heading has the focus, so that who
// hears the page knows where they are.
function Section() {
	const { section } = route.value;
	const title = sections.find(([name]) => name === section)[1];
	const heading = useRef(null);
	const before = useRef(section);
	useLayoutEffect(() => { // before somebody can type: what they focus keeps the focus
		document.title = `${title} – Ichor`;
		if (before.current !== section) heading.current.focus();
		before.current = section;
	}, [section]);
	const needs = !reads.value && section !== 'pipeline';
	return html`<h1 ref=${heading} tabindex="-1">${title}</h1>
		${!reads.value && html`<p class="card">${dropped.value && html`<${State} is="odd">The token that this tab had is none of the host’s any more.<//> `}This host has tokens: whoever has none sees whether it is ready, and no more. Give one with the role viewer, operator or deployer above.</p>`}
		${!needs && html`<${shown[section]} />`}`;
}

const root = document.getElementById('page');
root.replaceChildren();
render(html`<${Page} />`, root);
