"""What names stand for, and in which order and with which seeds units are carried out."""

from __future__ import annotations

import pytest
import toy

from validation.experiment import Options, Row, Unit
from validation.rows import in_order, plan
from validation.unit import unit_seed


def test_names_stand_for_claims_experiments_subjects_and_rows():
    def chosen(*names):
        return [row.key for row in plan(names, Options(), "toy:VIOLATED").rows]

    everything = chosen()
    assert len(everything) == 9
    assert chosen("steady") == chosen("mean-is-half") == everything[:6]
    assert chosen("other-claim") == chosen("other") == chosen("elsewhere") == everything[6:8]
    assert chosen("toy") == everything[:6] + everything[8:]
    assert chosen("other/other-1", "steady/row-2") == ["steady/row-2", "other/other-1"]
    assert chosen("wrong", "wrong", "wrong/wrong-0") == ["wrong/wrong-0"]  # a claim, an experiment


def test_the_key_of_a_paper_stands_for_its_claims_with_their_tables():
    def chosen(*names):
        return plan(names, Options(), "toy:COSTLY")

    found = chosen("paper2018")
    assert [row.key for row in found.rows] == ["tables/a", "other/c"]
    assert [unit.key for unit in found.tables] == ["toy/table-l", "toy/table-r"]
    assert found.papers == ("paper2018", "paper2018")
    assert [row.key for row in chosen("elementary").rows] == ["alone/b"]
    assert chosen("elementary").tables == ()
    assert len(chosen("elementary", "paper2018").rows) == 3
    with pytest.raises(ValueError, match="unknown name 'other2017'; did you mean 'other'"):
        chosen("other2017")  # not what the source starts with
    with pytest.raises(ValueError, match="unknown name 'paper2008'; did you mean 'paper2018'"):
        chosen("paper2008")


def test_an_unknown_name_is_refused_with_those_that_resemble_it():
    with pytest.raises(ValueError, match=r"unknown name 'stedy'; did you mean 'steady'"):
        plan(["stedy"], Options(), "toy:STEADY")
    with pytest.raises(ValueError, match="see: validate list"):
        plan(["zzz"], Options(), "toy:STEADY")


@pytest.mark.parametrize("catalogue", ["NOT_JSON", "TWICE", "missing", "np"])
def test_a_catalogue_that_is_not_sound_is_refused(catalogue):
    with pytest.raises(ValueError, match=f"'toy:{catalogue}'"):
        plan((), Options(), f"toy:{catalogue}")


def test_units_come_after_what_they_need_and_once():
    a = toy.unit("a")
    b, c = toy.unit("b", needs=(a,)), toy.unit("c", needs=(toy.unit("a"),))
    d = toy.unit("d", needs=(c, b))
    assert [u.key for u in in_order([d, b])] == ["toy/a", "toy/c", "toy/b", "toy/d"]
    with pytest.raises(ValueError, match="two different units have the key 'toy/a'"):
        in_order([d, toy.unit("a", n=1)])


def test_a_long_chain_of_diamonds_is_ordered_at_once():
    unit = Unit("0", "toy:draw", {})
    for i in range(1, 100):  # 2^100 paths
        unit = Unit(f"{i}", "toy:draw", {}, tuple(Unit(f"{i}{s}", "", {}, (unit,)) for s in "ab"))
    assert len(in_order([unit])) == 298


def test_seeds_depend_on_root_and_key_only():
    # Any other numbers would change every result that was ever published with a seed.
    assert unit_seed(0, "a") == 2671967653362453091
    assert unit_seed(0, "\u00fc\n") == 7132684031070550414
    seeds = {unit_seed(root, key) for root in range(30) for key in "abcdefghij"}
    assert len(seeds) == 300
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_row_key_gives_the_instance_that_it_names():
    row = Row(toy.STEADY[0], toy.STEADY[0].instances(Options())[2])
    assert plan([row.key], Options(), "toy:STEADY").rows == (row,)
