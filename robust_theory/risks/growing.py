"""Maximum flows while edges arrive: plain loops over arrays, for numba or else for Python."""

from __future__ import annotations

from typing import Any


def grow(
    rows: Any,
    columns: Any,
    row_starts: Any,
    row_edges: Any,
    row_columns: Any,
    column_starts: Any,
    column_edges: Any,
    column_rows: Any,
    give: Any,
    take: Any,
    gains: Any,
    carried: Any,
) -> Any:
    """Keep a maximum flow, and a closed set around all that rows with something left can reach.

    Edges are numbered by arrival, so the edges of a vertex that have arrived are the first few of
    its list. No link leaves the set, and no column in it can take more: so the flow is maximum,
    and a new edge matters only if it leads out of the set. Then the set grows along it. At a
    column that can take more, breadth-first searches back through the set, with blocking flows
    (Dinic), push there what they find. If that does not fill the column, the last search has
    found all of the set that reaches it; nothing is left there, and it is taken out.
    """
    n, m = len(row_starts) - 1, len(column_starts) - 1
    row_degree, column_degree = [0] * n, [0] * m
    # Edges with flow, as linked lists: those into every column, and those out of every row.
    into, into_next, into_before = [-1] * m, [-1] * len(rows), [-1] * len(rows)
    fed, fed_next, fed_before = [-1] * n, [-1] * len(rows), [-1] * len(rows)
    # What a row has left never grows, so a column's rows up to here have nothing for good.
    look = [0] * m
    # Columns of the set; rows that are not in it have the level `outside`. Each search numbers
    # its levels on from the one before, so that nothing is to be cleared.
    column_inside, outside = [False] * m, 2**62
    row_level, column_level = [-1] * n, [-1] * m
    level = 0
    found_edges, found_columns = [0] * n, [0] * m
    # A search is a tree: column w was reached before the edges from place[w] to stop[w] into it.
    place, stop = [0] * m, [0] * m
    # The path of a blocking flow: its columns, and what it carries up to each; by which edge a
    # column is fed and by which the row before it is fed back; the next such edge to try.
    path, limit = [0] * (m + 1), [give[0]] * (m + 1)
    arc, link, turn = [-1] * m, [-1] * n, [-1] * n
    for u in range(n):
        if give[u] == 0:
            row_level[u] = outside
    for arrival in range(len(rows)):
        row_degree[rows[arrival]] += 1
        column_degree[columns[arrival]] += 1
        if row_level[rows[arrival]] == outside or column_inside[columns[arrival]]:
            continue
        pending = [arrival]
        while len(pending) > 0:
            e = pending.pop()
            v = columns[e]
            if column_inside[v] or row_level[rows[e]] == outside:
                continue
            while take[v] > 0:
                # Search back from v, to the first level with a row that has something left.
                level += 1
                first_level = level
                column_level[v], arc[v], place[v], stop[v] = level, -1, 0, 0
                found_columns[0] = v
                many_edges, many_columns, done = 0, 1, 0
                reached = False
                while done < many_columns:
                    w = found_columns[done]
                    if column_level[w] > level:
                        if reached:
                            break
                        level += 1
                    done += 1
                    start = column_starts[w]
                    while look[w] < column_degree[w]:
                        if give[column_rows[start + look[w]]] > 0:
                            reached = True
                            break
                        look[w] += 1
                    if reached:
                        continue
                    place[w] = many_edges
                    for k in range(start, start + column_degree[w]):
                        u = column_rows[k]
                        if row_level[u] >= first_level:
                            continue
                        row_level[u], turn[u] = level, fed[u]
                        found_edges[many_edges] = column_edges[k]
                        many_edges += 1
                        e = fed[u]
                        while e >= 0:
                            x = columns[e]
                            if column_level[x] < first_level and column_inside[x]:
                                column_level[x], arc[x], place[x], stop[x] = level + 1, -1, 0, 0
                                found_columns[many_columns] = x
                                many_columns += 1
                            e = fed_next[e]
                    stop[w] = many_edges
                last_level = level
                level += 1
                if not reached:
                    for k in range(many_edges):
                        row_level[rows[found_edges[k]]] = outside
                    for k in range(1, many_columns):
                        column_inside[found_columns[k]] = False
                    break
                # Push along paths that descend one level at a time, as long as there are any.
                depth = 0
                path[0], limit[0] = v, take[v]
                while depth >= 0:
                    w = path[depth]
                    start = column_starts[w]
                    if column_level[w] == last_level:
                        while look[w] < column_degree[w]:
                            if give[column_rows[start + look[w]]] > 0:
                                break
                            look[w] += 1
                        if look[w] == column_degree[w]:
                            depth -= 1
                            if depth >= 0:
                                u = rows[arc[path[depth]]]
                                turn[u] = fed_next[turn[u]]
                            continue
                        e = column_edges[start + look[w]]
                        most = min(limit[depth], give[rows[e]])
                        give[rows[e]] -= most
                        for k in range(depth, -1, -1):
                            w = path[k]
                            if carried[e] == 0:
                                u = rows[e]
                                into_next[e], into_before[e] = into[w], -1
                                if into[w] >= 0:
                                    into_before[into[w]] = e
                                into[w] = e
                                fed_next[e], fed_before[e] = fed[u], -1
                                if fed[u] >= 0:
                                    fed_before[fed[u]] = e
                                fed[u] = e
                            carried[e] += most
                            limit[k] -= most
                            if limit[k] == 0:
                                depth = k - 1
                            if k == 0:
                                break
                            e = arc[path[k - 1]]
                            u = rows[e]
                            back = link[u]
                            carried[back] -= most
                            if carried[back] == 0:
                                # Its own entries still point on, for the row that stands there.
                                after, before = into_next[back], into_before[back]
                                if before >= 0:
                                    into_next[before] = after
                                else:
                                    into[w] = after
                                if after >= 0:
                                    into_before[after] = before
                                after, before = fed_next[back], fed_before[back]
                                if before >= 0:
                                    fed_next[before] = after
                                else:
                                    fed[u] = after
                                if after >= 0:
                                    fed_before[after] = before
                        gains[arrival] += most
                        take[v] -= most
                        continue
                    following = -1
                    if arc[w] >= 0:
                        u = rows[arc[w]]
                        nearer = column_level[w] + 1  # to the rows with something left
                        while turn[u] >= 0:
                            back = turn[u]
                            if carried[back] > 0 and column_level[columns[back]] == nearer:
                                following = back
                                break
                            turn[u] = fed_next[back]
                    if following >= 0:
                        link[u] = following
                        limit[depth + 1] = min(limit[depth], carried[following])
                        depth += 1
                        path[depth] = columns[following]
                        continue
                    arc[w] = -1
                    if place[w] < stop[w]:
                        arc[w] = found_edges[place[w]]
                        place[w] += 1
                    else:
                        depth -= 1
                        if depth >= 0:
                            # Nothing is left behind this link.
                            u = rows[arc[path[depth]]]
                            turn[u] = fed_next[turn[u]]
            if take[v] > 0:
                continue
            column_inside[v] = True
            e = into[v]
            while e >= 0:
                u = rows[e]
                if row_level[u] == outside:
                    row_level[u] = -1
                    start = row_starts[u]
                    for k in range(start, start + row_degree[u]):
                        if not column_inside[row_columns[k]]:
                            pending.append(row_edges[k])
                e = into_next[e]
    return gains, carried
