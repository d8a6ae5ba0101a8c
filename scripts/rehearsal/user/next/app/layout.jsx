/** @param {{ children: unknown }} props */
export default function Layout({ children }) {
  return children
}
