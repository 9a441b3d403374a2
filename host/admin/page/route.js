// The place in the page, which the address names after its #, so that a link opens a section, a version or a row.
import { signal } from './html.js';

// sections are in the order of the navigation; the first is where one arrives.
export const sections = [
	['pipeline', 'Pipeline'], ['journeys', 'Journeys'], ['search', 'Search'], ['quarantine', 'Quarantine'],
	['guests', 'Guests'], ['charts', 'Charts'], ['requests', 'Requests'],
];

function read() {
	const [section, ...rest] = location.hash.replace(/^#\/?/, '').split('/').map(decode);
	return sections.some(([name]) => name === section) ? { section, of: rest.join('/') } : { section: sections[0][0], of: '' };
}

function decode(part) {
	try {
		return decodeURIComponent(part);
	} catch {
		return part;
	}
}

// route is the section, and what of it is looked at.
export const route = signal(read());

addEventListener('hashchange', () => {
	route.value = read();
});

// to returns the address of a place.
export const to = (section, of) => '#/' + section + (of === undefined || of === '' ? '' : '/' + encodeURIComponent(of));

// go shows a place.
export const go = (section, of) => {
	location.hash = to(section, of);
};
