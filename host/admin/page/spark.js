// A small line of the latest minutes, without axes: the section of the charts has them.
import { html } from './html.js';

const [width, height, shown] = [120, 24, 120];

// Spark draws the latest values.
export function Spark({ of: values }) {
	const latest = values.slice(-shown);
	const most = Math.max(1e-9, ...latest);
	const points = latest.map((value, i) => `${((i + shown - latest.length) * width) / (shown - 1)},${height - 1 - (value / most) * (height - 3)}`);
	return html`<svg class="spark" viewBox=${`0 0 ${width} ${height}`} preserveAspectRatio="none" aria-hidden="true"><polyline points=${points.join(' ')} /></svg>`;
}
