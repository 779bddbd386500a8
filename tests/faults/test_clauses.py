"""What the project must survive, clause by clause, and the tests that show it: a test that is renamed or removed is missed here."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
CLAUSES: dict[str, str] = {
    "images: empty, text renamed, cut at any byte": "inputs/test_decode_refusals.py::empty_things_are_empty ::a_renamed_text_is_unreadable"
    " inputs/test_hostile_images.py::cut_anywhere ::flipped_bytes inputs/test_mutated_images.py::five_thousand_mutated_pictures",
    "images: giant header, bomb": "inputs/test_decode_refusals.py::a_giant_header_is_refused_at_once ::a_bomb_is_refused_without_memory",
    "images: 1x1, 1x60,000, animations": "inputs/test_decode.py::thin_pictures ::the_first_frame_of_several",
    "images: other formats": "inputs/test_decode_refusals.py::formats_outside_the_list_are_not_opened ::a_real_eps_never_starts_ghostscript",
    "images: one conversion": "inputs/test_decode.py::cmyk_as_pillow_does ::sixteen_bits_are_divided_by_257 ::palettes_become_rgb ::one_bit"
    " ::grey_with_alpha_stays_grey ::pictures_stand_upright walk/test_promise.py::every_form_of_a_picture_is_the_same_picture",
    "data: too little": "walk/test_data_faults.py::folders_with_too_little ::a_class_with_one_file ::labels_that_are_all_equal",
    "data: names": "walk/test_hostile_names.py::labels_are_the_names ::names_that_are_no_text",
    "data: loops, FIFOs, unreadable, vanishing": "walk/test_data_faults.py::things_that_are_no_files ::files_that_cannot_be_opened"
    " ::a_file_that_vanishes_while_it_is_read",
    "data: duplicates": "walk/test_data_faults.py::copies_stay_in_one_split ::copies_across_a_given_split_are_told",
    "data: 1 % corrupt, 50 % corrupt": "walk/test_data_faults.py::one_bad_file_is_set_aside_and_listed ::too_many_bad_files",
    "data: tables": "walk/test_data_faults.py::faults_of_tables ::a_table_with_a_byte_order_mark",
    "data: pickles": "walk/test_data_faults.py::faults_of_archives",
    "recipe: tags, bombs, nesting in time": "recipe/test_yaml_reading.py::a_fault_has_a_code_and_a_place ::a_bomb_ends_within_a_second",
    "recipe: typed scalars, unknown keys": "recipe/test_yaml_scalars.py::a_scalar recipe/test_recipe_faults.py::a_fault",
    "recipe: giants": "recipe/test_recipe_faults.py::a_giant_recipe_is_refused_in_time",
    "artifact: no code": "artifact/test_artifact_faults.py::no_pickle_anywhere ::a_golden_array_is_no_pickle ::external_data_is_never_read",
    "artifact: lies, links, flipped bytes": "artifact/test_artifact_faults.py::weights_that_lie ::links_are_refused ::a_flipped_bit_is_named"
    " ::a_manifest_that_leads_outside ::every_damaged_graph_is_an_error_of_ours",
    "artifact: a future version": "artifact/test_artifact_faults.py::a_later_format_says_what_to_do",
    "reports: escaped": "walk/test_hostile_names.py::the_report_shows_names_and_runs_nothing ::a_spreadsheet_computes_nothing"
    " ::markdown_stays_markdown ::the_terminal_is_not_moved",
    "operations: disk full, failing, read-only": "faults/test_disk_faults.py::packing_over_an_old_model ::exporting"
    " ::going_on_with_a_run_that_cannot_be_written faults/test_file_events.py::a_fit_at_some_file_events ::every_file_event",
    "operations: kill -9": "faults/test_file_events.py::a_checkpoint_at_every_third_file_event ::ten_kills_at_random_moments"
    " ::two_hundred_kills_at_random_moments",
    "operations: damaged checkpoint": "walk/test_fit_resume.py::a_damaged_checkpoint_costs_an_epoch_not_the_run ::no_checkpoint_is_whole",
    "operations: signals": "walk/test_fit_resume.py::a_signal_saves_and_says_how_to_go_on faults/test_operations.py::a_signal_or_two_while_it_trains",
    "operations: two fits": "faults/test_operations.py::the_lock_of_a_killed_process_blocks_nobody walk/test_fit_resume.py::one_at_a_time",
    "operations: threads": "training/test_resuming.py::the_threads_of_the_checkpoint_are_used_again",
    "operations: shared memory": "faults/test_operations.py::fitting_needs_no_shared_memory",
    "operations: port in use": "serving/test_server_life.py::a_port_in_use_is_named_before_the_model_is_loaded ::a_port_that_is_forbidden",
    "operations: overload": "serving/test_server_life.py::more_than_the_server_can_do_is_refused_quickly ::the_end_under_load_loses_nothing",
}


@pytest.mark.parametrize("clause", CLAUSES)
def test_a_clause_has_its_tests(clause: str) -> None:
    file = ""
    for entry in CLAUSES[clause].split():
        path, _, name = entry.partition("::")
        file = path or file
        assert f"def test_{name}(" in (TESTS / file).read_text(encoding="utf-8"), f"{file}::{name}"
